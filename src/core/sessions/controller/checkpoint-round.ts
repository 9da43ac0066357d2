import type { Grant, Verified } from '../../documents/index.ts';
import type { Witness } from '../../transparency/index.ts';
import { sessionLimits } from '../limits.ts';

/** A checkpoint with the lines that it has: those of members, one for each operator, and those from outside. */
export interface WitnessedCheckpoint {
  size: number;
  /** Hexadecimal. */
  root: string;
  note: string;
  /** The note with the line of the log only. */
  base: string;
  members: readonly MemberLine[];
  /** Lines of witnesses from outside. */
  outside: readonly string[];
}

/** The line of a worker, which was verified. */
export interface MemberLine extends Witness {
  operator: string;
  isTrusted: boolean;
  line: string;
  /** Under which it signed; undefined for a line of the life before. */
  grant: Verified<Grant> | undefined;
}

/** One checkpoint before the witnesses. */
export interface Round {
  size: number;
  root: string;
  /** With the line of the log only. */
  base: string;
  members: MemberLine[];
  /** Lines of witnesses from outside. */
  outside: string[];
  /** Keys whose line was valid, whether it is kept or not. */
  answered: Set<string>;
  /** Keys of the workers that it waits for; undefined for all that are present. */
  waitsFor: ReadonlySet<string> | undefined;
  /** Names of witnesses from outside that have not answered or failed. */
  asked: Set<string>;
  open: boolean;
}

/** Whether a line of this operator is wanted, and has room. One of a trusted worker takes that of another. */
export function makeRoom({ members }: Round, operator: string, isTrusted: boolean, chars: number): boolean {
  if (!isTrusted && members.some((one) => one.operator === operator)) return false;
  const length = () => members.reduce((sum, { line }) => sum + line.length, chars);
  while (length() > sessionLimits.memberLinesCharsMax) {
    const last = members.findLastIndex((one) => !one.isTrusted);
    if (!isTrusted || last < 0) return false;
    members.splice(last, 1);
  }
  return true;
}

/** Whether this worker's line is there, or none is wanted. One of the life before is asked for again. */
export function hasAnswered({ answered, members }: Round, peer: string): boolean {
  return answered.has(peer) && !members.some((one) => one.witness === peer && one.grant === undefined);
}

/** What it has so far. */
export function witnessed({ size, root, base, members, outside }: Round): WitnessedCheckpoint {
  const note = [base, ...members.map(({ line }) => line), ...outside].join('');
  return { size, root, note, base, members: [...members], outside: [...outside] };
}
