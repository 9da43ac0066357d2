import { limits } from '../base/limits.ts';
import { documentLimits } from '../documents/limits.ts';
import type { Progress } from '../wire/progress.ts';
import type { RunSummary } from '../wire/runs.ts';
import { policyIn } from '../wire/told-policy.ts';
import type { AccountFacts, TrustedFailure } from './states.ts';

const saysCharsMax = 300;

/** Trusted workers that failed at a run, after one more event of it: one entry for each, the newest last. */
export function afterFailure(failures: TrustedFailure[], progress: Progress): TrustedFailure[] {
  if (progress.kind === 'cosign-refused' || progress.kind === 'cosign-delayed') {
    const { kind, worker, code, message } = progress;
    const mark = kind === 'cosign-refused' ? ({ refused: true } as const) : ({ delayed: true } as const);
    return withFailure(failures, { worker, says: `${code}: ${message}`, ...mark });
  }
  // It has signed.
  if (progress.kind === 'verdict' && progress.level !== 'agreed' && progress.reason === undefined)
    return failures.filter(({ delayed }) => delayed !== true);
  // Compared here: `isTrustedSlot` would load the schemas of all documents into `quorate --help`.
  if ((progress.kind !== 'lost' && progress.kind !== 'delivered') || progress.slot !== 'trusted')
    return failures;
  const { worker } = progress;
  // It is handed over after it has refused.
  if (failures.some((one) => one.worker === worker && one.refused === true)) return failures;
  if (progress.kind === 'lost') return withFailure(failures, { worker, says: progress.reason });
  return failures.filter((one) => one.worker !== worker);
}

function withFailure(failures: readonly TrustedFailure[], failure: TrustedFailure): TrustedFailure[] {
  const others = failures.filter(({ worker }) => worker !== failure.worker);
  const says = failure.says.slice(0, saysCharsMax);
  return [...others, { ...failure, says }].slice(-limits.slotLeasesMax);
}

export type Tally = NonNullable<RunSummary['tally']>;
export type Differs = NonNullable<RunSummary['differs']>;

const abortedCharsMax = 500;

/** Counts of outcomes, by operator, after one more event; undefined before the first results are revealed. */
export function afterTally(known: Tally | undefined, progress: Progress): Tally | undefined {
  switch (progress.kind) {
    case 'inputs':
    case 'reopened':
      return undefined;
    case 'revealed': {
      // The trusted worker's, by itself.
      if (progress.results.some(({ slot }) => slot === 'trusted')) return known;
      const of = (wanted: RegExp) =>
        new Set(progress.results.flatMap(({ operator, result }) => (wanted.test(result) ? [operator] : [])));
      const ended = of(/^(?!aborted: )/).size;
      const aborted = abortedIn(progress.results) ?? known?.aborted;
      return {
        ended: Math.max(ended, known?.ended ?? 0),
        failed: of(/^exit [1-9]/).size,
        ...(aborted !== undefined && { aborted }),
      };
    }
    case 'agreed':
      return { ended: 0, failed: 0, ...known, ...agreeingOf(progress.by) };
    case 'failed':
      return { ended: 0, ...known, failed: new Set(progress.by).size };
    default:
      return known;
  }
}

function agreeingOf(operators: readonly string[]): Pick<Tally, 'same' | 'by'> {
  const by = [...new Set(operators)];
  return { same: by.length, by: by.slice(0, documentLimits.slotsMax) };
}

/** Why builds were aborted: the first reason, and how many others there are. */
function abortedIn(results: Extract<Progress, { kind: 'revealed' }>['results']): string | undefined {
  const reasons = new Set(
    results.flatMap(({ result }) =>
      result.startsWith('aborted: ') ? [result.slice('aborted: '.length)] : [],
    ),
  );
  const [first, ...others] = reasons;
  if (first === undefined) return undefined;
  const more =
    others.length === 0 ? '' : `; and ${others.length} other ${others.length === 1 ? 'reason' : 'reasons'}`;
  return `${first.slice(0, abortedCharsMax - more.length)}${more}`;
}

/** The other run of the same job that came to something else, after one more event of a run. */
export function afterRepeated(known: Differs | undefined, progress: Progress): Differs | undefined {
  if (progress.kind === 'reopened' || progress.kind === 'inputs') return undefined;
  if (progress.kind !== 'repeated' || progress.same || progress.revoked === true) return known;
  const { earlier, later, artifact, before } = progress;
  return { run: earlier, ...(later === true && { later }), made: artifact, other: before };
}

/** Whether a run that was built again came to something else than one that stands: the owner is alarmed, once for the two of them. */
export const isAlarmingRepeat = ({
  same,
  later,
  revoked,
}: Extract<Progress, { kind: 'repeated' }>): boolean => !same && later !== true && revoked !== true;

/** The facts of a run before its first event. */
export const untold = (run: string): AccountFacts => ({ run, state: 'waiting', level: null });

/** The facts of a run after one more event, for who follows it; the controller's summary also tells who is connected. */
export function afterProgress(facts: AccountFacts, progress: Progress): AccountFacts {
  const tally = afterTally(facts.tally, progress);
  const differs = afterRepeated(facts.differs, progress);
  const after = afterOne(facts, progress);
  return tally === facts.tally && differs === facts.differs ? after : { ...after, tally, differs };
}

function afterOne(facts: AccountFacts, progress: Progress): AccountFacts {
  switch (progress.kind) {
    case 'accepted': {
      const { test, repo, ref, commit, recipe } = progress;
      return {
        ...facts,
        repo,
        ref,
        commit,
        ...(test === true && { test }),
        ...(recipe !== undefined && { recipe }),
      };
    }
    case 'waiting':
      return { ...facts, state: 'waiting', level: null, awaits: Object.keys(progress.needs) };
    case 'inputs':
      return { ...facts, state: 'building', awaits: [] };
    case 'answered':
      return { ...facts, earlier: progress.earlier };
    case 'answer-cosigning':
    case 'cosigning':
    case 'witnessing':
      return { ...facts, state: progress.kind };
    case 'answer-failed':
    case 'answer-refused':
      return { ...facts, state: 'building', earlier: undefined };
    case 'round':
      return { ...facts, state: 'building', level: null, policy: policyIn(progress) };
    case 'agreed':
      return { ...facts, state: 'pinning' };
    case 'contradicted':
      return { ...facts, state: 'building', level: null, alarming: true, acknowledged: undefined };
    case 'repeated':
      return isAlarmingRepeat(progress) ? { ...facts, acknowledged: undefined } : facts;
    case 'compared':
      return { ...facts, alarming: true, acknowledged: undefined };
    case 'cosign-delayed':
    case 'cosign-refused':
    case 'lost':
    case 'delivered': {
      const trustedFailures = afterFailure(facts.trustedFailures ?? [], progress);
      const isNew = progress.kind === 'cosign-refused';
      return { ...facts, trustedFailures, ...(isNew && { acknowledged: undefined }) };
    }
    case 'acknowledged':
      return { ...facts, acknowledged: true };
    case 'input-lost':
      return { ...facts, state: 'waiting', level: null };
    case 'reopened':
      return { ...facts, state: 'building', level: null, revoked: undefined, earlier: undefined };
    case 'unwitnessed': {
      const { operators, operatorsNeeded, named, namedNeeded } = progress;
      return { ...facts, missing: { operators, operatorsNeeded, named, namedNeeded } };
    }
    case 'cancelled':
      return { ...facts, state: 'cancelled', cancelled: progress.reason };
    case 'revoked': {
      const { what, id, since, reason } = progress;
      return { ...facts, revoked: { what, id, since, reason } };
    }
    case 'restored':
      return { ...facts, revoked: undefined };
    case 'verdict': {
      const { level, reason, limit, cosigned, artifact } = progress;
      const state = level !== 'agreed' ? 'done' : facts.state === 'witnessing' ? 'witnessing' : 'agreed';
      const trustedFailures = facts.trustedFailures && afterFailure(facts.trustedFailures, progress);
      const told = { state, level, reason, limit, cosigned, artifact, trustedFailures };
      return { ...facts, ...told, revoked: undefined };
    }
    default:
      return facts;
  }
}
