import type { Job, Outcome, Slot, VerdictLevel } from '../documents/index.ts';

/**
 * How far an artifact can be trusted. `provisional`: somebody built it; `agreed`: N operators of one round did, bit for bit; `trusted`:
 * the policy is met in full, and that of every input. `failed` is of a job: at N operators and the trusted worker, or alike at N for a
 * test without co-signature.
 */
export type Level = 'none' | 'provisional' | 'agreed' | 'trusted' | 'failed';

const ranks: Record<Level, number> = { failed: -1, none: 0, provisional: 1, agreed: 2, trusted: 3 };

export function atLeast(level: Level, wanted: Level): boolean {
  return ranks[level] >= ranks[wanted];
}

/** The higher one first. */
export const byLevel = (a: Level, b: Level): number => ranks[b] - ranks[a];

/** The level that a verdict proves: none where it states no result. */
export const provenBy = (stated: VerdictLevel): Level =>
  stated === 'disputed' || stated === 'unfinished' ? 'none' : stated;

/** One receipt of a request's rounds, with what its lease, grant and offer say about it. */
export interface Vote {
  /** Id of the receipt. */
  receipt: string;
  /** PeerId that signed it. */
  worker: string;
  operator: string;
  /** PeerId of the identity provider whose grant its worker had. */
  issuer: string;
  role: 'worker' | 'trusted-worker';
  round: number;
  slot: Slot;
  /** Log index of the receipt. */
  index: number;
  /** Log index at which the operator was first admitted. */
  enrolled: number;
  /** Log index the round's offer carries. */
  offerIndex: number;
  outcome: Outcome;
  /** `resultIdOf` the receipt: what it votes for. Null for an aborted build, which is no vote. */
  result: string | null;
  /** Arrived before its round was revealed. */
  sealed: boolean;
}

export interface Evidence {
  /** Of the job: failures of a test count by themselves where no co-signature is required. */
  kind?: Job['kind'];
  votes: readonly Vote[];
  /** PeerIds of the charter's trusted workers. */
  trustedKeys: readonly string[];
  /** PeerIds that co-signed the verdict this decision is about; to draft one, those who might. */
  cosigned: readonly string[];
  /** The level of each input, by CID. */
  inputs: Readonly<Record<string, Level>>;
}

export interface Revocations {
  /** Documents that a key signed from this log index on are void: receipts, and grants that receipts rest on. */
  keys: Readonly<Record<string, number>>;
  /** Receipts of an operator's workers from this log index on are void. A trusted worker's key is revoked by itself. */
  operators?: Readonly<Record<string, number>>;
  /** Artifacts (CIDs) nobody may vote for any more. */
  artifacts?: readonly string[];
}

export type Exit = Extract<Outcome, { kind: 'exit' }>;
/** A vote of a run that ended by itself. */
export type ExitVote = Vote & { outcome: Exit; result: string };

export function isExit(vote: Vote): vote is ExitVote {
  return vote.outcome.kind === 'exit' && vote.result !== null;
}

export function isRevoked(vote: Vote, { keys, operators = {} }: Revocations): boolean {
  // Own properties only: a key named like a method of Object must not find one.
  const reaches = (from: Readonly<Record<string, number>>, id: string) =>
    Object.hasOwn(from, id) && vote.index >= (from[id] ?? 0);
  return (
    reaches(keys, vote.worker) ||
    reaches(keys, vote.issuer) ||
    (vote.role === 'worker' && reaches(operators, vote.operator))
  );
}
