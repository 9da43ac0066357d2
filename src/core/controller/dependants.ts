import { instantiate } from '../documents/index.ts';
import { assert, QuorateError } from '../errors.ts';
import { checkGrant, enforce } from '../judge/index.ts';
import { endRun } from './cancel.ts';
import { charterOf } from './enrolment.ts';
import { artifactIn, isOver } from './facts.ts';
import { inputOf, inputRevoked, needsOfRun } from './needs.ts';
import { reviewPublished } from './review.ts';
import { openRound } from './rounds.ts';
import { decideAgain } from './settle.ts';
import { publishedOf, type Run, type Transition, tell } from './state.ts';

/** Opens the first round of a run, once what it reads is there. */
export function begin(transition: Transition, run: Run): void {
  const needs = run.request.payload.needs;
  if (needs === undefined) return openRound(transition, run);
  tell(transition, run, { kind: 'waiting', needs });
  considerInputs(transition, run);
}

/**
 * Looks at the runs again that read what another one made, wherever that one's published verdict changed: they begin, rise, or
 * end. A run that rises or ends stirs those that read it, so that all of them are looked at within one event.
 */
export function reviewDependants(transition: Transition): void {
  const { state, stirred } = transition;
  while (stirred.size > 0) {
    assert(transition.durability !== 'none', 'an event after which a run is worth something else is kept');
    const readers = state.index.readersOf(stirred);
    stirred.clear();
    for (const { id } of readers) {
      const open = state.index.open.get(id);
      if (open !== undefined) review(transition, open);
      // Only a revocation reaches what has ended. A run that ended just now is another object.
      const run = state.index.get(id);
      if (run !== undefined && inputRevoked(state, run) !== undefined) reviewPublished(transition, run);
    }
  }
}

function review(transition: Transition, run: Run): void {
  if (run.phase.kind === 'waiting') return considerInputs(transition, run);
  const { state } = transition;
  for (const [name, need] of needsOfRun(run)) {
    const { artifact, reached, final } = inputOf(state, need);
    if (reached && (need.gate === true || artifact === run.job.inputs[name])) continue;
    const reason = `${name}, which it needs, ${final ?? 'was contradicted'}`;
    return loseInput(transition, run, name, reason);
  }
  decideAgain(transition, run);
}

/** Makes the job of the template once every input has its level; ends the run where one never will. */
function considerInputs(transition: Transition, run: Run): void {
  const all = needsOfRun(run).map(([name, need]) => ({ name, need, ...inputOf(transition.state, need) }));
  const never = all.find(({ lost }) => lost !== undefined);
  if (never !== undefined) return endRun(transition, run, `${never.name}, which it needs, ${never.lost}`);
  if (!all.every(({ reached }) => reached)) return;
  const lapsed = publisherLapsed(transition, run);
  if (lapsed !== undefined) return endRun(transition, run, lapsed);
  const inputs: Record<string, string> = {};
  for (const { name, need, artifact } of all)
    if (need.gate !== true && artifact !== null) inputs[name] = artifact;
  const { job, id } = instantiate(run.job, inputs);
  run.job = job;
  run.jobId = id;
  transition.state.index.instantiated(run);
  tell(transition, run, { kind: 'inputs', job: id, inputs });
  openRound(transition, run);
}

/** Why nobody would take a first round now: the publisher's grant has to be good when that is opened. */
function publisherLapsed(transition: Transition, { publisher, request }: Run): string | undefined {
  const at = Math.floor(transition.now / 1000);
  try {
    checkGrant(enforce, publisher, charterOf(transition), { by: request.signer, as: 'publisher', at });
    return undefined;
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error;
    return `what it needs is there too late for the grant of its publisher (${error.code}): publish it again`;
  }
}

/** Ends a run whose input was contradicted, cancelled or revoked; its published verdict does not stand. */
function loseInput(transition: Transition, run: Run, input: string, reason: string): void {
  if (isOver(run)) return;
  const artifact = artifactIn(run, publishedOf(run)?.verdict.outcome);
  // Drops the published verdict, so that the end keeps none.
  run.phase = { kind: 'held' };
  tell(transition, run, { kind: 'input-lost', input, artifact, reason });
  endRun(transition, run, reason);
}
