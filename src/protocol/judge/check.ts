import { type ErrorCode, QuorateError } from '../base/errors.ts';

/** Passes, or throws a `QuorateError` with that code. */
export type Check = (code: ErrorCode, ok: boolean, message: string, hint?: string) => void;

/** `off`: codes whose guards let everything pass. Empty but in tests, which show with it what each guard holds off. */
export function checker(off: ReadonlySet<string>): Check {
  return (code, ok, message, hint) => {
    if (!ok && !off.has(code))
      throw new QuorateError(code, message, { ...(hint === undefined ? {} : { hint }) });
  };
}

/** Every guard on: for whoever acts on what it is told. */
export const enforce: Check = checker(new Set());
