import { isTrustedSlot, type Policy } from '../documents/index.ts';
import { type ExitVote, isExit, isRevoked, type Revocations, sameOutcome, type Vote } from './evidence.ts';

export interface RuleContext {
  policy: Policy;
  /** All votes, each receipt once. */
  all: readonly Vote[];
  trustedKeys: readonly string[];
  revocations: Revocations;
}

/** Why a receipt does not count towards N. */
export type Bar =
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
  bar: Bar;
  /** `left`: the votes that no earlier rule barred, this one among them. */
  bars: (vote: ExitVote, left: readonly ExitVote[], context: RuleContext) => boolean;
}

/** Log order; the id decides between equal indices, which only a broken log has. */
export function before(a: Vote, b: Vote): boolean {
  return a.index < b.index || (a.index === b.index && a.receipt < b.receipt);
}

const sameRound = (a: Vote, b: Vote) => a.round === b.round;
const byTrusted = (vote: Vote, { trustedKeys }: RuleContext) =>
  vote.role === 'trusted-worker' || isTrustedSlot(vote.slot) || trustedKeys.includes(vote.worker);

/** A trusted worker's receipt never counts towards N. */
const trustedWorker: Rule = {
  bar: 'trusted-worker',
  bars: (vote, _left, context) => byTrusted(vote, context),
};

/** A receipt after the reveal may be a copy. */
const unsealed: Rule = { bar: 'unsealed', bars: (vote) => !vote.sealed };

/** The offer fixes M slots. */
const noSuchSlot: Rule = {
  bar: 'no-such-slot',
  bars: ({ slot }, _left, { policy }) => isTrustedSlot(slot) || slot >= policy.of,
};

/** Operators enrolled after the offer do not count in its round. */
const enrolledLate: Rule = { bar: 'enrolled-late', bars: (vote) => vote.enrolled >= vote.offerIndex };

/**
 * A new round needs operators without a receipt of an earlier one. A receipt of an earlier round that is logged later
 * voids nothing.
 */
const notFresh: Rule = {
  bar: 'not-fresh',
  bars: (vote, _left, context) =>
    context.all.some(
      (other) =>
        other.operator === vote.operator &&
        other.round < vote.round &&
        before(other, vote) &&
        !byTrusted(other, context),
    ),
};

const keyRevoked: Rule = {
  bar: 'key-revoked',
  bars: (vote, _left, { revocations }) => isRevoked(vote, revocations),
};

/** An operator with two different results in one sealed round has no vote in it. */
const equivocated: Rule = {
  bar: 'equivocated',
  bars: (vote, left) =>
    left.some(
      (other) =>
        sameRound(other, vote) &&
        other.operator === vote.operator &&
        !sameOutcome(other.outcome, vote.outcome),
    ),
};

/** A slot yields one receipt: the first in the log. */
const slotTaken: Rule = {
  bar: 'slot-taken',
  bars: (vote, left) =>
    left.some((other) => sameRound(other, vote) && other.slot === vote.slot && before(other, vote)),
};

/** One invite, one vote: all machines of an operator count once in a round. */
const operatorCounted: Rule = {
  bar: 'operator-counted',
  bars: (vote, left) =>
    left.some((other) => sameRound(other, vote) && other.operator === vote.operator && before(other, vote)),
};

const artifactRevoked: Rule = {
  bar: 'artifact-revoked',
  bars: ({ outcome: { artifact } }, _left, { revocations }) =>
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

/** The votes that count towards N, and for each other receipt the rule that bars it. */
export function applyRules(
  context: RuleContext,
  using: readonly Rule[] = rules,
): { counted: ExitVote[]; barred: Map<string, Bar> } {
  const barred = new Map<string, Bar>();
  for (const vote of context.all) if (!isExit(vote)) barred.set(vote.receipt, 'aborted');
  let left = context.all.filter(isExit);
  for (const rule of using) {
    const out = left.filter((vote) => rule.bars(vote, left, context));
    for (const vote of out) barred.set(vote.receipt, rule.bar);
    left = left.filter((vote) => !out.includes(vote));
  }
  return { counted: left, barred };
}
