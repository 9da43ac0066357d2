import type { Grant, Verified } from '../../protocol/documents/index.ts';
import { sessionLimits } from '../../protocol/sessions/limits.ts';
import type { Witness } from '../../protocol/transparency/index.ts';

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
export interface CheckpointRound {
  size: number;
  root: string;
  /** With the line of the log only. */
  base: string;
  members: MemberLine[];
  /** Lines of witnesses from outside, by the name under which each is asked; of the life before by the name in it. */
  outside: Map<string, string>;
  /** Keys whose line was valid, whether it is kept or not. */
  answered: Set<string>;
  /** Keys of the workers that it waits for; undefined for all that are present. */
  waitsFor: ReadonlySet<string> | undefined;
  /** Names of witnesses from outside that have not answered or failed. */
  asked: Set<string>;
  open: boolean;
}

/** Whether a line is of an earlier round of the same checkpoint, or of the life before. */
const isOld = ({ answered }: CheckpointRound, { witness, grant }: MemberLine): boolean =>
  grant === undefined || !answered.has(witness);

/** Whether a line is wanted and has room: old lines make room, first of its operator, and others for a trusted worker's. */
export function makeRoom(
  round: CheckpointRound,
  { witness, operator, isTrusted, line }: Pick<MemberLine, 'witness' | 'operator' | 'isTrusted' | 'line'>,
): boolean {
  const isOf = (one: MemberLine) =>
    one.witness === witness || (!isTrusted && !one.isTrusted && one.operator === operator);
  round.members = round.members.filter((one) => !isOld(round, one) || !isOf(one));
  const { members } = round;
  if (!isTrusted && members.some((one) => one.operator === operator)) return false;
  const length = () => members.reduce((sum, one) => sum + one.line.length, line.length);
  while (length() > sessionLimits.memberLinesCharsMax) {
    const old = members.findLastIndex((one) => !one.isTrusted && isOld(round, one));
    const last = old >= 0 || !isTrusted ? old : members.findLastIndex((one) => !one.isTrusted);
    if (last < 0) return false;
    members.splice(last, 1);
  }
  return true;
}

/** Whether this worker's line is there, or none is wanted. One of the life before is asked for again. */
export function hasAnswered({ answered, members }: CheckpointRound, peer: string): boolean {
  return answered.has(peer) && !members.some((one) => one.witness === peer && one.grant === undefined);
}

/** The checkpoint with the lines that it has so far. */
export function witnessedCheckpoint({
  size,
  root,
  base,
  members,
  outside,
}: CheckpointRound): WitnessedCheckpoint {
  const lines = [...outside.values()];
  const note = [base, ...members.map(({ line }) => line), ...lines].join('');
  return { size, root, note, base, members: [...members], outside: lines };
}
