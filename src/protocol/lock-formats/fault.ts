import { type ErrorCode, QuorateError } from '../base/errors.ts';
import { escapeLine } from '../base/escape.ts';

export interface Place {
  lock: string;
  line: number;
}

/** Longest quote of foreign text in a message. */
const quoteCharsMax = 120;

/** Foreign text for a message: quoted, cut, harmless on a terminal. */
export const quote = (text: string): string => `"${escapeLine(text, quoteCharsMax)}"`;

const where = ({ lock, line }: Place): string => `${escapeLine(lock, quoteCharsMax)}:${line}`;

/** An error about a place in a lock file. */
export function lockFault(code: ErrorCode, at: Place, message: string, hint?: string): QuorateError {
  return new QuorateError(code, `${where(at)}: ${message}`, hint === undefined ? {} : { hint });
}

const writtenAgain = ({ lock }: Place): string =>
  lock === 'quorate.lock'
    ? 'It was edited: take the version of before from git; or remove it, and run quorate lock, and quorate lock add for each file of no package.'
    : 'Have the tool that wrote the lock file write it again.';

/** An entry that is not valid, or text that is not in the format of its file. */
export const invalid = (at: Place, message: string): QuorateError =>
  lockFault('LOCK_INVALID', at, message, writtenAgain(at));

/** A format that is not read. `instead` says what to do. */
export const unsupported = (at: Place, what: string, instead: string): QuorateError =>
  lockFault('LOCK_UNSUPPORTED', at, `${what} is not supported`, instead);
