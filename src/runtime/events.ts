/** What a node tells its operator, in the order it happened. `says` is one sentence; `data` is for programs. */
export interface NodeEvent {
  at: number;
  level: 'info' | 'warn';
  kind: string;
  says: string;
  data?: Record<string, unknown>;
}

export type Tell = (
  level: NodeEvent['level'],
  kind: string,
  says: string,
  data?: Record<string, unknown>,
) => void;

export function teller(onEvent: (event: NodeEvent) => void): Tell {
  return (level, kind, says, data) =>
    onEvent({ at: Date.now(), level, kind, says, ...(data === undefined ? {} : { data }) });
}

/** Any thrown thing as one line. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const codePattern = /^[A-Z][A-Z0-9_]{1,60}$/;

/** Its stable code, or `INTERNAL` for what has none that others would accept. */
export function codeOf(error: unknown): string {
  return error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    codePattern.test(error.code)
    ? error.code
    : 'INTERNAL';
}
