import { compareTexts } from '../base/text.ts';
import { isTrustedSlot, type Policy } from '../documents/index.ts';
import { type ExitVote, isExit, isRevoked, type Revocations, type Vote } from './evidence.ts';

interface RuleContext {
  policy: Policy;
  /** All votes, each receipt once. */
  all: readonly Vote[];
  trustedKeys: readonly string[];
  revocations: Revocations;
}

/** Why a receipt does not count towards N. */
export type ExclusionReason =
  | 'aborted'
  | 'trusted-worker'
  | 'unsealed'
  | 'no-such-slot'
  | 'enrolled-late'
  | 'not-fresh'
  | 'key-revoked'
  | 'equivocated'
  | 'slot-taken'
  | 'operator-counted'
  | 'artifact-revoked';

export interface Rule {
  reason: ExclusionReason;
  /** `left`: the votes that no earlier rule excluded, this one among them. */
  excludes: (vote: ExitVote, left: readonly ExitVote[], context: RuleContext) => boolean;
}

/** Log order; the id decides between equal indices, which only a broken log has. */
export const inLogOrder = (a: Vote, b: Vote): number =>
  a.index - b.index || compareTexts(a.receipt, b.receipt);
const before = (a: Vote, b: Vote): boolean => inLogOrder(a, b) < 0;

const sameRound = (a: Vote, b: Vote) => a.round === b.round;
const byTrusted = (vote: Vote, { trustedKeys }: RuleContext) =>
  vote.role === 'trusted-worker' || isTrustedSlot(vote.slot) || trustedKeys.includes(vote.worker);

/** A trusted worker's receipt never counts towards N. */
const trustedWorker: Rule = {
  reason: 'trusted-worker',
  excludes: (vote, _left, context) => byTrusted(vote, context),
};

/** A receipt after the reveal may be a copy. */
const unsealed: Rule = { reason: 'unsealed', excludes: (vote) => !vote.sealed };

/** The offer fixes M slots. */
const noSuchSlot: Rule = {
  reason: 'no-such-slot',
  excludes: ({ slot }, _left, { policy }) => isTrustedSlot(slot) || slot >= policy.of,
};

/** Operators enrolled after the offer do not count in its round. */
const enrolledLate: Rule = { reason: 'enrolled-late', excludes: (vote) => vote.enrolled >= vote.offerIndex };

/** A new round needs operators without a receipt of an earlier one. An earlier round's receipt that is logged later voids nothing. */
const notFresh: Rule = {
  reason: 'not-fresh',
  excludes: (vote, _left, context) =>
    context.all.some(
      (other) =>
        other.operator === vote.operator &&
        other.round < vote.round &&
        before(other, vote) &&
        !byTrusted(other, context),
    ),
};

const keyRevoked: Rule = {
  reason: 'key-revoked',
  excludes: (vote, _left, { revocations }) => isRevoked(vote, revocations),
};

/** An operator with two different results in one sealed round has no vote in it. */
const equivocated: Rule = {
  reason: 'equivocated',
  excludes: (vote, left) =>
    left.some(
      (other) => sameRound(other, vote) && other.operator === vote.operator && other.result !== vote.result,
    ),
};

/** A slot yields one receipt: the first in the log. */
const slotTaken: Rule = {
  reason: 'slot-taken',
  excludes: (vote, left) =>
    left.some((other) => sameRound(other, vote) && other.slot === vote.slot && before(other, vote)),
};

/** One invite, one vote: all hosts of an operator count once in a round. */
const operatorCounted: Rule = {
  reason: 'operator-counted',
  excludes: (vote, left) =>
    left.some((other) => sameRound(other, vote) && other.operator === vote.operator && before(other, vote)),
};

const artifactRevoked: Rule = {
  reason: 'artifact-revoked',
  excludes: ({ outcome: { artifact } }, _left, { revocations }) =>
    artifact !== null && (revocations.artifacts ?? []).includes(artifact),
};

/** Applied in this order: rules on a single vote come before those that compare votes. */
export const rules: readonly Rule[] = [
  trustedWorker,
  unsealed,
  noSuchSlot,
  enrolledLate,
  notFresh,
  keyRevoked,
  equivocated,
  slotTaken,
  operatorCounted,
  artifactRevoked,
];

/** The votes that count towards N, and for each other receipt the rule that excludes it. */
export function applyRules(
  context: RuleContext,
  using: readonly Rule[] = rules,
): { counted: ExitVote[]; excluded: Map<string, ExclusionReason> } {
  const excluded = new Map<string, ExclusionReason>();
  for (const vote of context.all) if (!isExit(vote)) excluded.set(vote.receipt, 'aborted');
  let left = context.all.filter(isExit);
  for (const rule of using) {
    const out = left.filter((vote) => rule.excludes(vote, left, context));
    for (const vote of out) excluded.set(vote.receipt, rule.reason);
    left = left.filter((vote) => !out.includes(vote));
  }
  return { counted: left, excluded };
}
