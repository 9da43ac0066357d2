import { artifactIn, isOver, type RunFacts } from '../../src/controller/machine/facts.ts';
import {
  allRuns,
  type ControllerState,
  liveLeases,
  publishedLevelOf,
  publishedOf,
} from '../../src/controller/machine/state.ts';
import { artifactOf, type Request } from '../../src/protocol/documents/index.ts';
import { atLeast, provenBy } from '../../src/protocol/trust/index.ts';
import { type Observe, Violation } from '../observer.ts';

type Needs = NonNullable<Request['needs']>;

/** Whether something of a run is leased or offered. */
function isBusy({ runs, offers }: ControllerState, { id }: RunFacts): boolean {
  const run = runs.get(id);
  return [...offers.values()].includes(id) || (run !== undefined && liveLeases(run).length > 0);
}

/**
 * A job begins once its inputs have the levels asked for, reads their artifacts, and is trusted only where each input is.
 * A changed level reaches all dependants within the same event.
 */
export function pipelines(): Observe {
  /** Needs as the publisher signed them, by run: a planted bug may change those in the state. */
  const asked = new Map<string, Needs>();

  function check(state: ControllerState, run: RunFacts, needs: Needs, name: string): void {
    const level = publishedLevelOf(run);
    for (const [input, need] of Object.entries(needs)) {
      const of = state.index.get(need.request);
      const made = of === undefined ? null : publishedOf(of);
      const stands = of !== undefined && of.revoked === null && of.phase.kind !== 'cancelled' ? made : null;
      const reached = stands !== null && atLeast(provenBy(stands.verdict.level), need.level);
      const outcome = stands?.verdict.outcome ?? null;
      const same = need.gate === true || (outcome !== null && artifactOf(outcome) === run.job.inputs[input]);
      const says = `${name} (${run.phase.kind}, ${level}) reads ${input}, which is ${stands?.verdict.level ?? 'nothing'}`;
      const began = run.rounds.length > 0;
      const goesOn = !isOver(run) && (run.phase.kind !== 'waiting' || isBusy(state, run));
      if (began && goesOn && !(reached && same)) throw new Violation(`it goes on: ${says}`);
      if (level === 'trusted' && run.revoked === null && !(same && stands?.verdict.level === 'trusted'))
        throw new Violation(`it is above its input: ${says}`);
      const claims = run.phase.kind === 'cancelled' && level !== null && run.revoked === null;
      if (claims && began && !(reached && same))
        throw new Violation(`its verdict outlives its input: ${says}`);
      const ended = of !== undefined && isOver(of) && !state.recalls.has(of.id);
      if (run.phase.kind === 'waiting' && ended && !reached)
        throw new Violation(`it waits for ever: ${says}`);
    }
    const ready = Object.values(needs).every(({ request, level: wanted, gate }) => {
      const of = state.index.get(request);
      const is =
        of === undefined || of.revoked !== null || of.phase.kind === 'cancelled'
          ? null
          : publishedLevelOf(of);
      // A job without an artifact satisfies no need, unless it is a gate.
      const outcome = of === undefined ? undefined : publishedOf(of)?.verdict.outcome;
      if (of === undefined || (gate !== true && artifactIn(of, outcome) === null)) return false;
      return is !== null && atLeast(provenBy(is), wanted);
    });
    if (run.phase.kind === 'waiting' && ready)
      throw new Violation(`${name} waits, and all that it reads is there`);
  }

  return (seen, truth) => {
    if (seen.kind === 'handled' && seen.event.kind === 'submit') {
      const { needs } = seen.event.request.payload;
      if (needs !== undefined) asked.set(seen.event.request.id, needs);
    }
    if (seen.kind !== 'handled' && seen.kind !== 'ended') return;
    if (asked.size === 0) return;
    for (const run of allRuns(seen.state)) {
      const needs = asked.get(run.id);
      if (needs !== undefined) check(seen.state, run, needs, truth.workOf(run.id)?.name ?? run.id);
    }
  };
}
