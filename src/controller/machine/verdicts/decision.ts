import type { Ending } from '../../../protocol/account/index.ts';
import { artifactOf, isTrustedSlot, type VerdictLevel } from '../../../protocol/documents/index.ts';
import { type LimitReached, limitReached } from '../../../protocol/trust/at-limit.ts';
import {
  type Decision,
  decide,
  levelWithoutResult,
  ownFailureCounts,
  type Revocations,
} from '../../../protocol/trust/decide.ts';
import { revocationsFor } from '../../../protocol/trust/revocations.ts';
import { charterOf } from '../members/charter.ts';
import { revocationsIn } from '../members/revocations.ts';
import { trustedLeases } from '../slots.ts';
import type { Run, Transition } from '../state.ts';
import { inputLevels } from './input-levels.ts';

/** The trusted workers of the charter in force, and what is revoked: of a revoked trusted worker all that it ever built. */
function trustIn(transition: Transition): { trustedKeys: string[]; revocations: Revocations } {
  const { state } = transition;
  const { trusted: trustedKeys } = charterOf(transition);
  const { keys, ...others } = revocationsFor(revocationsIn(state), state.log.size);
  const gone = trustedKeys.filter((key) => Object.hasOwn(keys, key)).map((key) => [key, 0]);
  return { trustedKeys, revocations: { ...others, keys: { ...keys, ...Object.fromEntries(gone) } } };
}

/** The decision on a run's evidence, as if the trusted worker had co-signed that can be asked to. Artifacts `unserved` do not count. */
export function decisionOf(transition: Transition, run: Run, unserved = run.unserved): Decision {
  const { trustedKeys, revocations } = trustIn(transition);
  return decide(
    run.request.payload.policy,
    {
      kind: run.job.kind,
      votes: run.receipts,
      trustedKeys,
      cosigned: trustedLeases(run).map(({ worker }) => worker),
      inputs: inputLevels(transition.state, run),
    },
    { ...revocations, artifacts: [...(revocations.artifacts ?? []), ...unserved] },
  );
}

/** The limit at which workers report that the builds of a run were aborted. */
export function reachedLimit(transition: Transition, run: Run): LimitReached | undefined {
  // Asked at each event of a run.
  if (!run.receipts.some(({ limit }) => limit !== undefined)) return undefined;
  const { trustedKeys, revocations } = trustIn(transition);
  return limitReached(run.request.payload.policy, { reports: run.receipts, trustedKeys }, revocations);
}

/** Operators' builds were aborted at a limit, and the trusted worker builds no more: it came to the same limit, or may not come to it. */
export function endsAtLimit(transition: Transition, run: Run): boolean {
  return run.trusted.kind !== 'leased' && reachedLimit(transition, run) !== undefined;
}

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
