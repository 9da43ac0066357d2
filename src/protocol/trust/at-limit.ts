import { isTrustedSlot, type Policy } from '../documents/index.ts';
import { type BuildLimit, cosignersOf, limitVaries } from '../judge/index.ts';
import { speaksAsTrusted } from './decide.ts';
import { isRevoked, type Revocations, type Vote } from './evidence.ts';

/** A receipt, and the limit at which its worker says that the build was aborted: the word of that worker, which no document states. */
export type Report = Vote & { readonly limit?: BuildLimit };

export interface Reports {
  reports: readonly Report[];
  /** PeerIds of the charter's trusted workers. */
  trustedKeys: readonly string[];
}

/** A limit that operators report. `stands`: enough of them, and the trusted worker, for the run to end at it. */
export interface LimitReached {
  limit: BuildLimit;
  stands: boolean;
}

/** Guards of a run that ends at a limit. */
export type LimitGuard = 'no-result' | 'trusted-worker' | 'operators' | 'revoked';

/**
 * The limit at which a run's builds end: stands at the trusted worker and one operator; N where it may depend on the machine; M of one
 * round without a co-signature. Never where any build ended by itself.
 */
export function limitReached(
  policy: Policy,
  reports: Reports,
  revocations: Revocations,
): LimitReached | undefined {
  return limitReachedBy(new Set(), policy, reports, revocations);
}

/** With guards off, for tests that show what each one prevents. */
export function limitReachedBy(
  off: ReadonlySet<LimitGuard>,
  policy: Policy,
  { reports, trustedKeys }: Reports,
  revocations: Revocations,
): LimitReached | undefined {
  if (!off.has('no-result') && reports.some(({ outcome }) => outcome.kind === 'exit')) return undefined;
  const counted = reports.filter((report) => off.has('revoked') || !isRevoked(report, revocations));
  const needed = (limit: BuildLimit): number =>
    off.has('operators') ? 1 : cosignersOf(policy) === 0 ? policy.of : limitVaries(limit) ? policy.agree : 1;
  const found = distinct(counted).flatMap((limit): LimitReached[] => {
    const same = counted.filter((report) => isSame(report.limit, limit));
    const confirmed =
      off.has('trusted-worker') ||
      new Set(
        same
          .filter((report) => speaksAsTrusted(report, trustedKeys, revocations))
          .map(({ worker }) => worker),
      ).size >= cosignersOf(policy);
    const operators = mostOperators(same.filter((report) => speaksAsOperator(report, trustedKeys)));
    return operators < needed(limit) ? [] : [{ limit, stands: confirmed }];
  });
  return found.find(({ stands }) => stands) ?? found[0];
}

const isSame = (one: BuildLimit | undefined, other: BuildLimit): boolean =>
  one?.name === other.name && one.max === other.max;

function distinct(reports: readonly Report[]): BuildLimit[] {
  const limits: BuildLimit[] = [];
  for (const { limit } of reports)
    if (limit !== undefined && !limits.some((known) => isSame(known, limit))) limits.push(limit);
  return limits;
}

const speaksAsOperator = ({ role, slot, worker }: Report, trustedKeys: readonly string[]): boolean =>
  role === 'worker' && !isTrustedSlot(slot) && !trustedKeys.includes(worker);

/** The most operators of one round: those of different rounds are not added up. */
function mostOperators(reports: readonly Report[]): number {
  const rounds = new Map<number, Set<string>>();
  for (const { round, operator } of reports)
    rounds.set(round, (rounds.get(round) ?? new Set()).add(operator));
  return Math.max(0, ...[...rounds.values()].map(({ size }) => size));
}
