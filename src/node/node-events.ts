import type { LogLevel } from '../protocol/base/log-lines.ts';

/** An event for the operator of a node, `at` in milliseconds since the epoch. `says` is one sentence; `data` is for programs. */
export interface NodeEvent {
  at: number;
  level: LogLevel;
  kind: string;
  says: string;
  data?: Record<string, unknown>;
}

export type Tell = (level: LogLevel, kind: string, says: string, data?: Record<string, unknown>) => void;

export function teller(onEvent: (event: NodeEvent) => void): Tell {
  return (level, kind, says, data) => onEvent({ at: Date.now(), level, kind, says, data });
}
