import { assert, unreachable } from '../base/errors.ts';
import { isTrustedSlot, type Job, type Outcome, type Policy, type VerdictLevel } from '../documents/index.ts';
import { cosignersOf, cosignersOrOne } from '../judge/policy.ts';
import {
  atLeast,
  byLevel,
  type Evidence,
  type Exit,
  type ExitVote,
  isExit,
  isRevoked,
  type Level,
  type Revocations,
  type Vote,
} from './evidence.ts';
import { applyRules, type ExclusionReason, inLogOrder, type Rule, rules } from './rules.ts';

export type { Evidence, Level, Revocations, Vote } from './evidence.ts';
export { atLeast, provenBy } from './evidence.ts';
export type { ExclusionReason } from './rules.ts';

/** CID of the empty directory: as easy to agree on as no output. */
export const emptyTree = 'bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354';

/** Whether it is easy to agree on without building anything: no outputs at all. */
export function isCheap(outcome: Outcome): boolean {
  return outcome.kind === 'exit' && (outcome.artifact === null || outcome.artifact === emptyTree);
}

/** A result with at least one counted vote, and its level. */
export interface RankedResult {
  outcome: Exit;
  /** `resultIdOf` of each of its votes. */
  result: string;
  level: Level;
  /** The round in which most operators built it; of equals, the earliest. */
  round: number;
  /** The operators that built it in that round, in log order. */
  operators: string[];
  /** A trusted worker built the same. */
  confirmed: boolean;
  /** A trusted worker built something else: revoked for good. */
  contradicted: boolean;
}

/** A failure that N operators of a round came to. */
interface AgreedFailure {
  outcome: Exit;
  result: string;
  round: number;
  operators: string[];
}

export interface Decision {
  level: Level;
  /** The subject of `level`: an artifact, or for `failed` the failure that counts. */
  outcome: Outcome | null;
  /** `resultIdOf` that outcome with its files. */
  result: string | null;
  round: number | null;
  /** The operators that count towards N. */
  operators: string[];
  /** Every result with a counted vote, best first. */
  results: RankedResult[];
  /** Results that were agreed upon and then contradicted by a trusted worker. */
  contradicted: RankedResult[];
  /** The builds of N operators of a round failed, and no trusted worker's build has. */
  unconfirmedFailure: boolean;
  /** Of a test that nobody co-signs: what N operators of a round came to first that failed. */
  failure: AgreedFailure | null;
  /** Somebody built something else: the trusted worker than operators, or operators than each other. Null: nobody did. */
  dispute: 'trusted-worker' | 'operators' | null;
  /** Receipts that do not count towards N, with the reason. */
  excluded: Map<string, ExclusionReason>;
}

/**
 * The level of the evidence under a policy. Pure: order and duplicates do not matter, and a later vote never lowers a level; only a
 * trusted worker's contradiction or a revocation does. (In a sealed round an operator can void its own vote.)
 */
export function decide(policy: Policy, evidence: Evidence, revocations: Revocations): Decision {
  return decideBy({ using: rules, off: new Set() }, policy, evidence, revocations);
}

/** Guards on a result, or on failures, beside the rules on single votes. */
export type DecisionGuard =
  | 'agree'
  | 'co-signature'
  | 'empty-result'
  | 'contradiction'
  | 'failure-confirmed'
  | 'failure-stands'
  | 'inputs';

export interface Guards {
  using: readonly Rule[];
  off: ReadonlySet<string>;
}

/** With other guards, for tests that show what each one prevents. */
export function decideBy(
  { using, off }: Guards,
  policy: Policy,
  evidence: Evidence,
  revocations: Revocations,
): Decision {
  assert(2 * policy.agree > policy.of, 'two quorums of a round share an operator');
  const asked = (guard: DecisionGuard) => !off.has(guard);
  const all = distinct(evidence.votes);
  const { trustedKeys } = evidence;
  const { counted, excluded } = applyRules({ policy, all, trustedKeys, revocations }, using);
  const trusted = all.filter(isExit).filter((vote) => speaksAsTrusted(vote, trustedKeys, revocations));
  const failed = (vote: ExitVote) => vote.outcome.code !== 0;
  const failure =
    ownFailureCounts(policy, evidence) && asked('failure-stands') ? firstFailure(counted, policy) : null;
  const results = groups(counted)
    .filter(([first]) => first?.outcome.code === 0)
    .map((group) => {
      const ranked = rankedResult(group, policy, evidence, trusted, asked);
      const stands = failure === null || agreedBefore(group, failure.round, policy);
      return stands ? ranked : atMostProvisional(ranked);
    })
    // Ties go to the earlier round and the lower log index, so that a later vote changes no order.
    .sort((a, b) => byLevel(a.level, b.level));
  // A failure counts once all that have to sign have it, one at least.
  const isConfirmed = new Set(trusted.map(({ worker }) => worker)).size >= cosignersOrOne(policy);
  const unconfirmedFailure = failsIn(counted, policy) && !isConfirmed;
  const contradicted = results.filter((s) => s.contradicted && s.operators.length >= policy.agree);
  const alike = (votes: readonly ExitVote[]) => isAlike(votes, ownFailureCounts(policy, evidence));
  const dispute: Decision['dispute'] =
    contradicted.length > 0 || (alike(counted) && counted.length > 0 && !alike([...counted, ...trusted]))
      ? 'trusted-worker'
      : alike(counted)
        ? null
        : 'operators';
  const common = { results, contradicted, unconfirmedFailure, failure, dispute, excluded };
  if (failure !== null && !results.some(({ level }) => atLeast(level, 'agreed')))
    return { ...common, ...failure, level: 'failed' };
  const [confirmed] = !asked('failure-confirmed') ? counted.filter(failed) : isConfirmed ? trusted : [];
  if (failsIn(counted, policy) && confirmed !== undefined && trusted.every(failed)) {
    const { outcome, result } = confirmed;
    return { ...common, level: 'failed', outcome, result, round: null, operators: [] };
  }
  const [best] = results.filter(({ level }) => level !== 'none');
  if (best === undefined)
    return { ...common, level: 'none', outcome: null, result: null, round: null, operators: [] };
  const { level, outcome, result, round, operators } = best;
  return { ...common, level, outcome, result, round, operators };
}

/** A failure of N operators ends a test that nobody co-signs: it only blocks, and no later round makes the test pass. */
export function ownFailureCounts(policy: Pick<Policy, 'cosign'>, { kind }: Pick<Job, 'kind'>): boolean {
  return kind === 'test' && cosignersOf(policy) === 0;
}

/** Whether the evidence bears a verdict `failed` about this result. */
export function bearsFailure({ level, result, failure }: Decision, about: string | null): boolean {
  return about !== null && ((level === 'failed' && result === about) || failure?.result === about);
}

/** The level of a verdict that states no result: `disputed` where N was not reached and somebody built something else. */
export function levelWithoutResult({ level, dispute }: Decision): 'disputed' | 'unfinished' {
  const reached = level !== 'none' && level !== 'provisional';
  return !reached && dispute !== null ? 'disputed' : 'unfinished';
}

export function verdictLevelOf(decision: Decision): VerdictLevel {
  const { level } = decision;
  switch (level) {
    case 'none':
    case 'provisional':
      return levelWithoutResult(decision);
    case 'agreed':
    case 'trusted':
    case 'failed':
      return level;
    default:
      return unreachable(level, 'level');
  }
}

/** Whether all came to the same. Failures are not told apart, where they form no quorum. */
function isAlike(votes: readonly ExitVote[], failuresCount: boolean): boolean {
  const made = ({ outcome, result }: ExitVote) => (outcome.code !== 0 && !failuresCount ? '' : result);
  return new Set(votes.map(made)).size <= 1;
}

/** Each receipt once, in log order. */
function distinct(votes: readonly Vote[]): Vote[] {
  const byReceipt = new Map(votes.map((vote) => [vote.receipt, vote]));
  return [...byReceipt.values()].sort(inLogOrder);
}

/** Whether a vote is a trusted worker's: its role, slot and key all say so, and the key is not revoked. */
export function speaksAsTrusted(
  vote: Vote,
  trustedKeys: readonly string[],
  revocations: Revocations,
): boolean {
  return (
    vote.role === 'trusted-worker' &&
    isTrustedSlot(vote.slot) &&
    trustedKeys.includes(vote.worker) &&
    !isRevoked(vote, revocations)
  );
}

/** Votes for the same result, over all rounds. */
function groups(votes: readonly ExitVote[]): ExitVote[][] {
  const found: ExitVote[][] = [];
  for (const vote of votes) {
    const group = found.find(([first]) => first?.result === vote.result);
    if (group === undefined) found.push([vote]);
    else group.push(vote);
  }
  return found;
}

function byRound(votes: readonly ExitVote[]): ExitVote[][] {
  const rounds = new Map<number, ExitVote[]>();
  for (const vote of votes) rounds.set(vote.round, [...(rounds.get(vote.round) ?? []), vote]);
  return [...rounds.values()].sort(([a], [b]) => (a?.round ?? 0) - (b?.round ?? 0));
}

/** The failure that N operators of a round came to first. */
function firstFailure(votes: readonly ExitVote[], { agree }: Policy): AgreedFailure | null {
  const failed = votes.filter(({ outcome }) => outcome.code !== 0);
  const [group = []] = byRound(failed)
    .flatMap(groups)
    .filter(({ length }) => length >= agree);
  const [first] = group;
  if (first === undefined) return null;
  const { outcome, result, round } = first;
  return { outcome, result, round, operators: group.map(({ operator }) => operator) };
}

/** Whether N operators of a round before this one voted for it. */
function agreedBefore(group: readonly ExitVote[], before: number, { agree }: Policy): boolean {
  return byRound(group).some((votes) => votes.length >= agree && (votes[0]?.round ?? before) < before);
}

/** Whether N operators' builds of a round failed. Exit codes need not be equal. */
function failsIn(votes: readonly ExitVote[], { agree }: Policy): boolean {
  return byRound(votes.filter(({ outcome }) => outcome.code !== 0)).some((round) => round.length >= agree);
}

function rankedResult(
  group: readonly ExitVote[],
  policy: Policy,
  evidence: Evidence,
  trusted: readonly ExitVote[],
  asked: (guard: DecisionGuard) => boolean,
): RankedResult {
  // Votes of different rounds are not added up: each round was sealed by itself.
  const best = byRound(group).reduce((most, round) => (round.length > most.length ? round : most), []);
  const [first] = best;
  assert(first !== undefined, 'a group has votes');
  const { outcome, result, round } = first;
  const agreeing = trusted.filter((vote) => vote.result === result);
  const confirmed = agreeing.length > 0;
  const contradicted = asked('contradiction') && agreeing.length < trusted.length;
  // A co-signature counts only beside its signer's own receipt for the same result.
  const cosigners = new Set(
    agreeing.map(({ worker }) => worker).filter((id) => evidence.cosigned.includes(id)),
  );
  const cheap = asked('empty-result') && isCheap(outcome);
  const full = cosigners.size >= Math.max(asked('co-signature') ? cosignersOf(policy) : 0, cheap ? 1 : 0);
  const inputs = !asked('inputs') || Object.values(evidence.inputs).every((level) => level === 'trusted');
  const agreed = !asked('agree') || best.length >= policy.agree;
  const level = contradicted ? 'none' : !agreed ? 'provisional' : full && inputs ? 'trusted' : 'agreed';
  const operators = best.map(({ operator }) => operator);
  return { outcome, result, level, round, operators, confirmed, contradicted };
}

const atMostProvisional = (ranked: RankedResult): RankedResult =>
  atLeast(ranked.level, 'provisional') ? { ...ranked, level: 'provisional' } : ranked;
