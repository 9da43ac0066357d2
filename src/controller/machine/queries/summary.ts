import {
  afterTally,
  lostInRestore,
  type OpenFacts,
  runTimes,
  type Tally,
  type TrustedFailure,
} from '../../../protocol/account/index.ts';
import { afterFailure } from '../../../protocol/account/told-facts.ts';
import { QuorateError } from '../../../protocol/base/errors.ts';
import { refsNamed } from '../../../protocol/base/git-ref.ts';
import { limits } from '../../../protocol/base/limits.ts';
import { artifactOf, isTrustedSlot, pushWordsIn } from '../../../protocol/documents/index.ts';
import { documentLimits } from '../../../protocol/documents/limits.ts';
import { cosignersOf, limitText } from '../../../protocol/judge/index.ts';
import { countsUncosigned } from '../../../protocol/trust/not-cosigned.ts';
import type { Revoked } from '../../../protocol/trust/revocations.ts';
import { wireLimits } from '../../../protocol/wire/limits.ts';
import type { PipelineJob, RunSummary } from '../../../protocol/wire/runs.ts';
import { toldPolicy } from '../../../protocol/wire/told-policy.ts';
import { artifactIn, isOver, precedes, type RunFacts } from '../facts.ts';
import { controllerLimits } from '../limits.ts';
import { absenceEndsAt, operatorsAround } from '../presence.ts';
import { eligible } from '../rounds/absence.ts';
import { isHeld } from '../rounds/leases.ts';
import {
  type ControllerState,
  currentRound,
  liveLeases,
  outcomeOf,
  publishedLevelOf,
  publishedOf,
  type Round,
  type Run,
} from '../state.ts';
import { fellWithOf, inputLevels, inputOf, needsOfRun } from '../verdicts/input-levels.ts';
import { differsOf } from '../verdicts/results.ts';
import { hasEvidence } from '../verdicts/verdict.ts';
import { missing } from '../verdicts/witnesses.ts';

const shortest = 8;
const reasonCharsMax = 500;

const artifactBy = (run: RunFacts): string | null => artifactIn(run, outcomeOf(run));

/** Tree of the trusted bundle that is served of a run which a restore lost; undefined where none is. */
const givenBackOf = ({ presence }: ControllerState, { id }: RunFacts): string | null | undefined =>
  presence.givenBack.get(id);

/** Facts that a summary and the list of a pipeline share. */
function sharedFacts(state: ControllerState, run: RunFacts) {
  const { phase, job } = run;
  const isGivenBack = givenBackOf(state, run) !== undefined;
  const level = isGivenBack ? 'trusted' : publishedLevelOf(run);
  const { ending = null, limit } = publishedOf(run) ?? {};
  const awaits = awaitsOf(state, run);
  const differs = differsOf(state, run);
  const fellWith = fellWithOf(state, run);
  return {
    run: run.id,
    name: job.name,
    ...(job.kind === 'test' && { test: true as const }),
    state: isGivenBack ? 'done' : phase.kind,
    level,
    ...(ending !== null && { reason: ending }),
    ...(limit !== undefined && { limit: limitText(limit) }),
    ...(level !== null &&
      countsUncosigned(run.request.payload.policy, level) && { cosigned: false as const }),
    ...(phase.kind === 'cancelled' && !isGivenBack && { cancelled: phase.reason.slice(0, reasonCharsMax) }),
    ...(awaits.length > 0 && { awaits }),
    ...(differs !== undefined && { differs }),
    ...(fellWith !== undefined && { fellWith }),
  };
}

export function summaryOf(state: ControllerState, run: RunFacts): RunSummary {
  const { repo, ref, commit, recipe, policy } = run.request.payload;
  const { subject, author } = pushWordsIn(run.request.payload);
  const open = openFactsOf(state, run);
  const told = run.history.map(({ progress }) => progress);
  const tally = told.reduce<Tally | undefined>(afterTally, undefined);
  const failures = told.reduce<TrustedFailure[]>(afterFailure, []);
  const given = givenBackOf(state, run);
  const tree = given === undefined ? artifactOf(outcomeOf(run)) : given;
  const isTest = run.job.kind === 'test';
  return {
    ...sharedFacts(state, run),
    job: run.jobId,
    repo,
    ref,
    commit,
    ...(recipe !== undefined && { recipe }),
    ...(subject !== undefined && { subject }),
    ...(author !== undefined && { author }),
    push: state.index.firstOfPush(run).id,
    artifact: isTest ? null : tree,
    ...(isTest && tree !== null && { reports: tree }),
    ...(isAlarming(run) && { alarming: true }),
    ...(failures.length > 0 && { trustedFailures: failures }),
    ...(isLookedAt(state, run) && { acknowledged: true }),
    ...(tally !== undefined && { tally }),
    ...(open !== undefined && { open }),
    ...(run.reused !== null && { earlier: run.reused.id }),
    ...(run.revoked !== null && { revoked: summaryOfRevoked(run.revoked) }),
    ...(run.phase.kind === 'witnessing' && { missing: missing(state, run, run.phase.draft) }),
    submittedAt: run.submittedAt,
    ...runTimes(run, { over: isOver(run) }),
    round: run.rounds.length,
    policy: toldPolicy(policy),
  };
}

/** Whether there was an alarm of the run, which somebody has looked at. */
const isLookedAt = ({ alarms }: ControllerState, { id, history }: RunFacts): boolean =>
  !alarms.has(id) && history.some(({ progress }) => progress.kind === 'acknowledged');

/** Whether results were in dispute, or the trusted worker contradicted what operators had agreed on. */
const isAlarming = ({ history }: RunFacts): boolean =>
  history.some(({ progress: { kind } }) => kind === 'compared' || kind === 'contradicted');

/** The run that proves an artifact best: the newest that trusts it, else the first that agreed; a voided one last, a test never. */
export function provingRun(state: ControllerState, artifact: string): RunFacts | undefined {
  for (const run of state.index.latestWithArtifact(artifact)) {
    const { level, outcome } = publishedOf(run)?.verdict ?? {};
    if (level === 'trusted' && run.revoked === null && artifactIn(run, outcome) === artifact) return run;
  }
  let best: RunFacts | undefined;
  for (const run of state.index.withArtifact(artifact)) {
    const { level, outcome } = publishedOf(run)?.verdict ?? {};
    if (artifactIn(run, outcome) !== artifact) continue;
    const stands = run.revoked === null;
    if (best === undefined || (best.revoked !== null && stands)) best = run;
    // No trusted one stands.
    else if (level === 'trusted' && best.revoked !== null) best = run;
  }
  return best;
}

/** Runs of a job that have a bundle, in the order they were submitted. */
export function bundledOf({ index }: ControllerState, job: string): RunFacts[] {
  return index
    .beginning(job)
    .filter((run) => run.jobId === job && hasEvidence(run) && publishedOf(run) !== null);
}

/** How much an artifact is worth by what was published here; `none` too for what a test put out, and for what is no artifact. */
export function artifactLevel(
  state: ControllerState,
  artifact: string,
): 'trusted' | 'agreed' | 'revoked' | 'none' {
  const run = provingRun(state, artifact);
  if (run === undefined) return 'none';
  if (run.revoked !== null) return 'revoked';
  const level = publishedOf(run)?.verdict.level;
  return level === 'trusted' || level === 'agreed' ? level : 'none';
}

/**
 * Whether a tree is for anybody: a verdict that was not revoked is about it, or it is a result in a dispute of a run that was not. Workers
 * name trees as they like, and what else is kept here of them, members fetch by its CID.
 */
export function isTreeShown({ index }: ControllerState, tree: string): boolean {
  for (const run of index.latestWithArtifact(tree)) {
    const outcome = outcomeOf(run);
    if (run.revoked === null && outcome !== null && artifactOf(outcome) === tree) return true;
  }
  return index.comparing(tree).some((run) => run.revoked === null);
}

export function summaryOfRevoked({ what, since, reason }: Revoked): NonNullable<RunSummary['revoked']> {
  return { what: what.kind, id: what.id, since, reason };
}

/**
 * The newest first, at most `max`, and half of them of one publisher while there are others: nobody crowds out what hooks look for.
 * Those of a ref as people name it, where one is given. As many as one answer holds, of which one publisher gets half.
 */
export function summaries(
  state: ControllerState,
  max: number,
  { ref, ofOneMax = Math.ceil(max / 2) }: { ref?: string | undefined; ofOneMax?: number } = {},
): RunSummary[] {
  const { index } = state;
  const runs =
    ref === undefined ? index.newest(max, ofOneMax) : index.list({ refs: refsNamed(ref) }, max).runs;
  const found: RunSummary[] = [];
  const { summariesCharsMax } = controllerLimits;
  const charsOf = new Map<string, number>();
  let chars = 0;
  for (const run of runs) {
    const { operator } = run.publisher.payload;
    const summary = summaryOf(state, run);
    const { length } = JSON.stringify(summary);
    const own = (charsOf.get(operator) ?? 0) + length;
    if (chars + length > summariesCharsMax || 2 * own > summariesCharsMax) continue;
    chars += length;
    charsOf.set(operator, own);
    found.push(summary);
  }
  return found;
}

/**
 * A run by the start of its id, its job's CID or its artifact's; the newest of one job or artifact. Older programs replay `cancel`:
 * it is refused for several jobs. @throws `JOB_UNKNOWN`, `JOB_AMBIGUOUS`.
 */
export function findRun(state: ControllerState, which: string, { ofOneJob = false } = {}): RunFacts {
  if (which.length < shortest)
    throw new QuorateError('JOB_UNKNOWN', `"${which}" is too short to name a job`, {
      hint: `Give the first ${shortest} characters of its id at least: quorate jobs lists them.`,
    });
  const fits = state.index
    .beginning(which)
    .filter(
      (run) =>
        run.id.startsWith(which) ||
        run.jobId.startsWith(which) ||
        artifactBy(run)?.startsWith(which) === true,
    );
  const newest = fits.at(-1);
  if (newest === undefined) {
    if ([...state.lost].some((id) => id.startsWith(which)))
      throw new QuorateError('JOB_UNKNOWN', `${which} is lost: ${lostInRestore}`, {
        hint: 'Ask for the job again: quorate run.',
      });
    throw new QuorateError('JOB_UNKNOWN', `no job here begins with ${which}`, {
      hint: 'quorate jobs lists them.',
    });
  }
  const made = ofOneJob ? null : artifactBy(newest);
  const isAnother = (run: RunFacts) =>
    run.jobId !== newest.jobId &&
    outcomeOf(run) !== outcomeOf(newest) &&
    (made === null || artifactBy(run) !== made);
  if (fits.some(isAnother))
    throw new QuorateError('JOB_AMBIGUOUS', `${which} begins several jobs`, {
      hint: 'Give more characters.',
    });
  return newest;
}

/** See the schema; undefined for a run that has ended. */
function openFactsOf(state: ControllerState, run: RunFacts): OpenFacts | undefined {
  const open = state.index.open.get(run.id);
  if (open === undefined) return undefined;
  const round = currentRound(open);
  const { kind } = open.trusted;
  const trusted =
    cosignersOf(open.request.payload.policy) === 0 ? undefined : kind === 'leased' ? 'building' : kind;
  return {
    sealed: round === undefined || round.revealed ? 0 : slotsOf(round, 'delivered'),
    building: liveLeases(open).flatMap((one) => (isTrustedSlot(one.lease.slot) ? [] : one.operator)),
    connected: operatorsAround(state),
    ...eligibleOf(state, open, round),
    ...freeUntilOf(state, open, round),
    ...(round !== undefined && !round.revealed && isHeld(state, round) && { held: true }),
    ...(trusted !== undefined && { trusted }),
    ...([...state.presence.workers.values()].some(({ role }) => role === 'trusted-worker') && {
      trustedConnected: true,
    }),
    ...trustedPassedOf(state, open, round),
    ...fetchingOf(state, open),
  };
}

function fetchingOf({ keys, presence }: ControllerState, { id, phase }: Run): Pick<OpenFacts, 'fetching'> {
  const known = presence.fetching.get(id);
  if (phase.kind !== 'pinning' || known?.artifact !== phase.artifact) return {};
  const { bytes, total, bytesPerSecond } = known;
  const operators = new Set(known.from.flatMap((worker) => keys.get(worker)?.operator ?? []));
  const from = [...operators].slice(0, documentLimits.slotsMax);
  return { fetching: { bytes, total, bytesPerSecond, from } };
}

/** The last reason of a trusted worker that is connected; none of before it took another job, since it may have gone on. */
function trustedPassedOf(
  { keys, presence, index }: ControllerState,
  { history, trusted }: Run,
  round: Round | undefined,
): Pick<OpenFacts, 'trustedPassed'> {
  if (round === undefined || trusted.kind !== 'free') return {};
  const told = history.findLast(
    ({ progress }) =>
      progress.kind === 'passed' &&
      progress.round === round.n &&
      keys.get(progress.worker)?.role === 'trusted-worker',
  );
  if (told?.progress.kind !== 'passed') return {};
  const { worker, reason } = told.progress;
  if (!presence.workers.has(worker)) return {};
  const tookOther = [...index.open.values()].some(
    ({ trusted: other }) =>
      other.kind === 'leased' && other.live.worker === worker && other.live.lease.iat * 1000 >= told.at,
  );
  return !tookOther ? { trustedPassed: reason.slice(0, reasonCharsMax) } : {};
}

const slotsOf = ({ slots }: Round, kind: Round['slots'][number]['kind']): number =>
  slots.filter((slot) => slot.kind === kind).length;

/** Connected operators that may take a slot of the round, and those of them that declined. */
function eligibleOf(
  state: ControllerState,
  run: Run,
  round: Round | undefined,
): Pick<OpenFacts, 'eligible' | 'late' | 'declined' | 'asked'> {
  if (round === undefined || round.revealed) return { eligible: 0, declined: [] };
  const late = operatorsAround(state, ({ enrolled }) => !precedes(enrolled, round.offer.index));
  const operators = new Set<string>();
  for (const [, { operator }] of eligible(state, run, round)) operators.add(operator);
  const reasons = new Map<string, string>();
  for (const { progress } of run.history)
    if (progress.kind === 'passed' && progress.round === round.n && operators.has(progress.operator))
      reasons.set(progress.operator, progress.reason.slice(0, reasonCharsMax));
  const declined = [...reasons].map(([operator, reason]) => ({ operator, reason }));
  const asked = [...operators].filter((operator) => !reasons.has(operator)).slice(0, wireLimits.declinedMax);
  return { eligible: operators.size, late, declined, ...(asked.length > 0 && { asked }) };
}

/** When free slots of a round are given up. Whoever takes one before that changes nothing by knowing it. */
function freeUntilOf(
  state: ControllerState,
  run: Run,
  round: Round | undefined,
): Pick<OpenFacts, 'freeUntil'> {
  if (run.phase.kind !== 'building' || round === undefined || slotsOf(round, 'free') === 0) return {};
  if (isHeld(state, round)) return {};
  return { freeUntil: Math.min(round.fillBy, absenceEndsAt(state, round.offerId) ?? round.fillBy) };
}

/** Inputs of a run, by name, that are not there yet or not trusted. */
function awaitsOf(state: ControllerState, run: RunFacts): string[] {
  if (run.phase.kind === 'cancelled') return [];
  if (run.phase.kind === 'waiting')
    return needsOfRun(run).flatMap(([name, need]) => (inputOf(state, need).reached ? [] : [name]));
  return Object.entries(inputLevels(state, run)).flatMap(([name, level]) =>
    level === 'trusted' ? [] : [name],
  );
}

/** All runs that are connected with this one by needs, and `withPush` those that were published with it, as they were submitted, at most `pipelineJobsMax`. */
export function pipelineOf(
  state: ControllerState,
  run: RunFacts,
  { withPush = false }: { withPush?: boolean } = {},
): PipelineJob[] {
  const found = new Map([[run.id, run]]);
  for (const one of found.values()) {
    const needed = needsOfRun(one).flatMap(([, { request }]) => state.index.get(request) ?? []);
    for (const other of [...needed, ...state.index.readersOf([one.id])])
      if (found.size < limits.pipelineJobsMax) found.set(other.id, other);
  }
  for (const other of withPush ? state.index.ofPush(run) : [])
    if (found.size < limits.pipelineJobsMax) found.set(other.id, other);
  return state.index.inOrder(found.keys()).map((one) => jobOf(state, one));
}

function jobOf(state: ControllerState, run: RunFacts): PipelineJob {
  const needs = needsOfRun(run).map(([name, { request, level }]) => ({ name, run: request, level }));
  return { ...sharedFacts(state, run), ...(run.revoked !== null && { revoked: true }), needs };
}
