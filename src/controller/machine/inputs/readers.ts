import { assert } from '../../../protocol/base/errors.ts';
import { instantiate, isTrustedSlot, type Job } from '../../../protocol/documents/index.ts';
import { artifactIn, type FinishedRun, isOver, type RunFacts, roundFacts } from '../facts.ts';
import { controllerLimits } from '../limits.ts';
import { publisherLapsed } from '../members/charter.ts';
import { endRun } from '../rounds/cancel.ts';
import { otherInputs } from '../rounds/lease-stream.ts';
import { openRun } from '../rounds/open-run.ts';
import { redecide } from '../rounds/settle.ts';
import { endLeases, newTrustedSlot, releaseTrusted, withdrawOffer } from '../slots.ts';
import {
  currentRound,
  type EventOf,
  publishedLevelOf,
  publishedOf,
  type Run,
  type Transition,
} from '../state.ts';
import { dropReuse, evidenceBytesOf } from '../verdicts/evidence-size.ts';
import { inputOf, inputRevoked, needsOfRun } from '../verdicts/input-levels.ts';
import { reviewPublished } from '../verdicts/review.ts';
import { retire } from '../verdicts/verdict.ts';
import { considerRecall, reopened } from './recall.ts';

/** Opens a run once its inputs have their levels; at once where it needs none. */
export function awaitInputs(transition: Transition, run: Run): void {
  const needs = run.request.payload.needs;
  if (needs === undefined) return openRun(transition, run);
  transition.tell(run, { kind: 'waiting', needs });
  considerInputs(transition, run);
}

/** The documents of a run that has ended are here: it is built again. */
export function recalled(transition: Transition, event: EventOf<'recalled'>): void {
  const run = reopened(transition, event);
  if (run !== undefined) awaitInputs(transition, run);
}

/** Reviews the runs that read what a dirty run made, which may make them dirty, until none is. */
export function reviewDependants(transition: Transition): void {
  const { state, dirty } = transition;
  while (dirty.size > 0) {
    assert(transition.durability !== 'none', 'an event after which a run is worth something else is kept');
    for (const id of dirty) state.index.refile(id);
    const readers = state.index.readersOf(dirty);
    dirty.clear();
    for (const { id } of readers) {
      const open = state.index.open.get(id);
      if (open !== undefined) review(transition, open);
      // A run that ended just now is another object.
      const run = state.index.get(id);
      if (run !== undefined && isOver(run)) reviewEnded(transition, run);
    }
  }
}

function review(transition: Transition, run: Run): void {
  if (run.phase.kind === 'waiting') return considerInputs(transition, run);
  const lost = lostInput(transition, run);
  if (lost === undefined) redecide(transition, run);
  else loseInput(transition, run, lost);
}

interface LostInput {
  name: string;
  reason: string;
}

/** An input of a run that is worth less now than its request asks for, or is something else. */
function lostInput({ state }: Transition, run: RunFacts): LostInput | undefined {
  for (const [name, need] of needsOfRun(run)) {
    const { artifact, reached, final } = inputOf(state, need);
    if (reached && (need.gate === true || artifact === run.job.inputs[name])) continue;
    const revoked = state.index.get(need.request)?.revoked != null;
    return {
      name,
      reason: `${name}, which it needs, ${final ?? (revoked ? 'was revoked' : 'was contradicted')}`,
    };
  }
  return undefined;
}

/** A verdict that a run ended with does not outlive what it read. */
function reviewEnded(transition: Transition, run: RunFacts): void {
  if (inputRevoked(transition.state, run) !== undefined) {
    reviewPublished(transition, run);
    return considerRecall(transition, run);
  }
  // The verdict that has nothing above it rests on inputs that may still be contradicted: its request ended before theirs.
  // So does that of a run that was cancelled after it.
  const lost = isOver(run) && publishedLevelOf(run) === 'agreed' ? lostInput(transition, run) : undefined;
  if (lost !== undefined && run.revoked === null) loseEnded(transition, run, lost);
}

/** Makes the job of the template once every input has its level; ends the run where one never will. */
function considerInputs(transition: Transition, run: Run): void {
  const all = needsOfRun(run).map(([name, need]) => ({ name, need, ...inputOf(transition.state, need) }));
  const never = all.find(({ lost }) => lost !== undefined);
  if (never !== undefined) return endRun(transition, run, `${never.name}, which it needs, ${never.lost}`);
  if (!all.every(({ reached }) => reached)) return;
  const inputs: Record<string, string> = {};
  for (const { name, need, artifact } of all)
    if (need.gate !== true && artifact !== null) inputs[name] = artifact;
  const instance = instantiate(run.job, inputs);
  const refused = refusalOfInstance(transition, run, instance.id);
  if (refused !== undefined) return endRun(transition, run, refused);
  if (run.rounds.length > 0 && instance.id !== run.jobId) replaceInstance(transition, run, instance);
  else if (run.rounds.length === 0) {
    run.job = instance.job;
    run.jobId = instance.id;
    transition.state.index.instantiated(run);
  }
  transition.tell(run, { kind: 'inputs', job: instance.id, inputs });
  openRun(transition, run);
}

/** Why a run is not built as this job. One that it is already goes on. */
function refusalOfInstance(transition: Transition, run: Run, id: string): string | undefined {
  if (run.rounds.length > 0 && id === run.jobId) return undefined;
  const before = 'publish it again';
  // Its rounds would be those of then, whose documents are gone.
  if (run.earlier.some(({ jobId }) => jobId === id))
    return `what it needs came to bytes that it was built on before: ${before}`;
  if (run.rounds.length > 0 && run.earlier.length + 1 >= controllerLimits.instancesMax)
    return `it was built on ${controllerLimits.instancesMax} different inputs: ${before}`;
  return publisherLapsed(transition, run);
}

/** Stops a run whose input was contradicted, cancelled or revoked; its published verdict does not stand. It waits for the input again. */
function loseInput(transition: Transition, run: Run, { name, reason }: LostInput): void {
  const artifact = artifactIn(run, publishedOf(run)?.verdict.outcome);
  suspendRun(transition, run, reason);
  transition.tell(run, { kind: 'input-lost', input: name, artifact, reason });
  considerInputs(transition, run);
  const { phase, request }: RunFacts = run;
  if (phase.kind === 'waiting') transition.tell(run, { kind: 'waiting', needs: request.payload.needs ?? {} });
}

/** Cancels a run that has ended and whose input was lost: it is not built again. */
function loseEnded(transition: Transition, run: RunFacts, { name, reason }: LostInput): void {
  const { state } = transition;
  transition.mustSync();
  const artifact = artifactIn(run, publishedOf(run)?.verdict.outcome);
  const why = run.phase.kind === 'cancelled' ? run.phase.reason : reason;
  const phase = { kind: 'cancelled' as const, reason: why, published: null };
  const whole = state.runs.get(run.id);
  if (whole !== undefined) {
    whole.phase = phase;
    retire(transition, whole);
  } else {
    const ended: FinishedRun = { ...run, phase };
    state.finished.set(run.id, ended);
    state.index.replaced(ended);
  }
  transition.tell(run, { kind: 'input-lost', input: name, artifact, reason });
}

/** Stops builds and frees their slots until the input has its level again. Delivered results stay sealed: they count on the same bytes. */
function suspendRun(transition: Transition, run: Run, reason: string): void {
  const { state } = transition;
  transition.mustSync();
  const message = `the build was stopped: ${reason}`;
  endLeases(transition, run, 'INPUT_LOST', message, 'free');
  const round = currentRound(run);
  if (round !== undefined) withdrawOffer(transition, round, 'INPUT_LOST', message);
  state.presence.witnessed.delete(run.id);
  // A draft that awaits signatures is dropped: it was never published.
  dropReuse(run);
  run.phase = { kind: 'waiting' };
}

/** Makes a suspended run another instance of its template, whose rounds begin anew: no receipt of the one before counts for it. */
function replaceInstance(transition: Transition, run: Run, { job, id }: { job: Job; id: string }): void {
  const { state } = transition;
  transition.mustSync();
  const release = (worker: string, lease: string) => {
    state.leases.delete(lease);
    transition.release('INPUT_LOST', worker, lease, otherInputs);
  };
  for (const { round, slot, lease, worker } of run.receipts)
    if (!isTrustedSlot(slot) && run.rounds[round - 1]?.revealed !== true) release(worker, lease);
  for (const { worker, id } of releaseTrusted(transition, run)) release(worker, id);
  const { jobId, receipts } = run;
  run.earlier.push({ jobId, rounds: roundFacts(run), receipts });
  // Other lists, and not these emptied: a session may be reading them to somebody.
  Object.assign(run, {
    job,
    jobId: id,
    rounds: [],
    receipts: [],
    documents: new Map(),
    unserved: [],
    evidence: evidenceBytesOf({ job }),
    ...newTrustedSlot(),
  } satisfies Partial<Run>);
  state.index.instantiated(run);
}
