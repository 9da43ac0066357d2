import type { Ending } from '../../../protocol/account/index.ts';
import { artifactOf, isTrustedSlot, type VerdictLevel } from '../../../protocol/documents/index.ts';
import { type Decision, levelWithoutResult, ownFailureCounts } from '../../../protocol/trust/decide.ts';
import type { Run } from '../state.ts';

/** The level of a run that ends without a result, and why. `rules`: see `Transition`. */
export function endingOf(
  run: Run,
  decision: Decision,
  rules: number,
): { level: VerdictLevel; ending: Ending } {
  const level = levelWithoutResult(decision);
  const ending = level === 'disputed' ? disputeOf(run, decision) : shortfallOf(run, decision);
  // Under the first rules each such run was disputed.
  return { level: rules < 2 ? 'disputed' : level, ending };
}

/** The reason of a dispute. */
function disputeOf(run: Run, { dispute, excluded }: Decision): Ending {
  if (dispute === 'trusted-worker') {
    const codes = run.receipts.flatMap(({ slot, outcome }) =>
      isTrustedSlot(slot) && outcome.kind === 'exit' ? [outcome.code] : [],
    );
    return codes.every((code) => code !== 0) ? 'trusted-failed' : 'contradicted';
  }
  const made = run.receipts.flatMap(({ receipt, outcome }) =>
    outcome.kind === 'exit' && !excluded.has(receipt) ? [`${outcome.code} ${artifactOf(outcome) ?? ''}`] : [],
  );
  return new Set(made).size > 1 ? 'results-differ' : 'files-differ';
}

/** The reason why a run is unfinished. */
function shortfallOf(run: Run, { excluded }: Decision): Ending {
  const { policy } = run.request.payload;
  if (run.phase.kind === 'pinning' || run.unserved.length > 0) return 'not-served';
  const receipts = run.receipts.filter(({ slot }) => !isTrustedSlot(slot));
  if (receipts.length === 0) {
    const taken = run.rounds.some(({ leasesGiven }) => leasesGiven.some((given) => given > 0));
    return !taken && run.rounds.some(({ passed }) => passed.size > 0) ? 'not-taken' : 'not-built';
  }
  const ended = receipts.flatMap(({ outcome }) => (outcome.kind === 'exit' ? [outcome] : []));
  if (ended.length === 0) return receipts.every(isRefused) ? 'outputs-refused' : 'aborted';
  if (receipts.some(({ receipt }) => excluded.get(receipt) === 'artifact-revoked')) return 'artifact-revoked';
  if (!ownFailureCounts(policy, run.job) && ended.every(({ code }) => code !== 0)) return 'build-failed';
  const most = Math.max(
    ...run.rounds.map(
      ({ n }) =>
        receipts.filter(
          ({ receipt, round, outcome }) => round === n && outcome.kind === 'exit' && !excluded.has(receipt),
        ).length,
    ),
  );
  return most < policy.agree ? 'too-few' : 'too-late';
}

/** Whether a build was aborted for what it put out. A limit says itself what it is about. */
const isRefused = ({ outcome, limit }: Run['receipts'][number]): boolean =>
  outcome.kind === 'aborted' && outcome.reason === 'outputs' && limit === undefined;
