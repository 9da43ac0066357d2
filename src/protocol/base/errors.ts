import type { CoreErrorCode } from './error-codes.ts';

/** All codes that can be raised: the `error-codes.ts` of each folder adds its own. */
export interface ErrorCodes extends Record<CoreErrorCode, string> {}
export type ErrorCode = keyof ErrorCodes;

/** The one error class of the product, for bad input of peers and people: what was wrong with which input, what to do, a stable code. */
export class QuorateError extends Error {
  /** A declared code; in an error that a peer reported it may be one of a later version. */
  readonly code: ErrorCode;
  /** A remedy in one sentence; absent where there is nothing to do. */
  readonly hint: string | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { hint?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'QuorateError';
    this.code = code;
    this.hint = options.hint;
  }
}

/** An error that a peer or another process reported: its code may be one that this version does not have. */
export function reportedError(
  code: string,
  message: string,
  options: { hint?: string | undefined; cause?: unknown } = {},
): QuorateError {
  return new QuorateError(code as ErrorCode, message, options);
}

/** Any thrown thing as one line. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const codePattern = /^[A-Z][A-Z0-9_]{1,60}$/;

/** Whether an error, such as one of the system, has one of these codes. */
export const hasCode = (error: unknown, ...codes: string[]): boolean =>
  error instanceof Error && 'code' in error && codes.includes(String(error.code));

/** Its stable code, or `INTERNAL` for what has none that others would accept. */
export function codeOf(error: unknown): string {
  return error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    codePattern.test(error.code)
    ? error.code
    : 'INTERNAL';
}

/** Guards our own mistakes, never a peer's input: always on, throws a plain Error. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** A value of a `kind` union that this version does not have. In an event that was read from a whole journal it is of a newer version. */
export class UnknownKind extends Error {}

/** For the default arm of a switch over a `kind` union: does not compile unless every kind is handled. */
export function unreachable(value: never, what: string): never {
  throw new UnknownKind(`assertion failed: unknown ${what}: ${JSON.stringify(value)}`);
}
