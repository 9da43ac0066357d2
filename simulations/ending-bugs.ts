import type { ControllerEvent } from '../src/controller/machine/events.ts';
import { Controller } from '../src/controller/machine/machine.ts';
import { currentRound, type Published, publishedOf } from '../src/controller/machine/state.ts';
import { breaking, breakingAfter } from './broken-controller.ts';
import { busy } from './busy.ts';
import { calm } from './rates.ts';
import type { Operator, Scenario } from './scenario.ts';
import type { Patches } from './world.ts';

/** Ends runs as under rules 1. */
class Older extends Controller {
  override handle(event: ControllerEvent, now: number) {
    return super.handle(event, now, 1);
  }
}

const operators = (...changes: Partial<Operator>[]): Partial<Scenario> => ({
  ...busy,
  operators: busy.operators.slice(0, changes.length).map((one, n) => ({ ...one, ...changes[n] })),
});
const alone: Partial<Operator> = { behaviour: 'tampers-alone' };

/** Of a verdict that is not published yet. */
function unfinish(published: Published): void {
  const level = 'unfinished';
  const { payload } = published.verdict;
  const quorate_verdict = { ...payload.predicate.quorate_verdict, level };
  const predicate = { ...payload.predicate, quorate_verdict };
  Object.assign(published.verdict, { level, payload: { ...payload, predicate } });
}

/** Mistakes with how a run or a round ends that lacks results. */
export const endingBugs = {
  'shortfall-is-disputed': {
    says: 'a run that too few operators built ends as disputed, though all who built came to the same',
    caughtBy: 'endings',
    rates: calm,
    scenario: operators({}),
    patches: (): Patches => ({ controller: (id, idp) => new Older(id, idp) }),
  },
  'dispute-is-unfinished': {
    says: 'a run whose operators came to different results ends as unfinished',
    caughtBy: 'endings',
    rates: calm,
    scenario: operators(alone, alone, alone),
    patches: breakingAfter(({ state }) => {
      for (const run of state.runs.values()) {
        const published = publishedOf(run);
        if (published?.verdict.level === 'disputed') unfinish(published);
      }
    }),
  },
  'short-wait-for-all': {
    says: 'a round ends after the short wait also where fewer operators than have to agree built the same',
    caughtBy: 'absences',
    rates: calm,
    scenario: operators({}, { behaviour: 'slow' }),
    patches: breaking(({ state }, handle) => (event, now) => {
      if (event.kind === 'receipt')
        for (const run of state.runs.values()) {
          const round = currentRound(run);
          if (round === undefined || run.phase.kind !== 'building') continue;
          round.untaken = true;
          round.slots = round.slots.map((slot) => (slot.kind === 'free' ? { kind: 'expired' } : slot));
        }
      return handle(event, now);
    }),
  },
};
