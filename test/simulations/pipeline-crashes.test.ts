import { expect, it } from 'vitest';
import { allCheckers } from '../../simulations/checkers/index.ts';
import { describeFailure } from '../../simulations/main.ts';
import type { Checker } from '../../simulations/observer.ts';
import type { CrashPoint } from '../../simulations/process.ts';
import type { Scenario, Work } from '../../simulations/scenario.ts';
import { type SimulateOptions, simulate } from '../../simulations/simulate.ts';
import { allRuns, publishedLevelOf } from '../../src/controller/machine/state.ts';

const work = (name: string, over: Partial<Work> = {}): Work => ({
  name,
  nature: 'reproducible',
  submitAfterMs: 1_000,
  cancelAfterMs: undefined,
  expiresSeconds: 7200,
  policy: { agree: 2, of: 3, cosign: 'required', rounds: 3 },
  ...over,
});
const works = [
  work('build'),
  work('test', {
    test: true,
    needs: { build: 'agreed' },
    policy: { agree: 2, of: 3, cosign: 'none', rounds: 3 },
  }),
  work('package', { needs: { build: 'trusted', test: 'trusted' } }),
];
const scenario: Partial<Scenario> = {
  operators: ['ada', 'ben', 'cleo', 'dan'].map((name) => ({
    name,
    hosts: [name],
    joinsLate: false,
    behaviour: 'honest',
  })),
  works,
  trusted: 'there',
  second: false,
  revokes: undefined,
  charters: [],
  grantSeconds: 24 * 3600,
  faultsMs: 120_000,
};
/** Rates of faults: none beside the planned ones. */
const rates = {
  breakPerMessage: 0,
  gossipLoss: 0,
  gossipTwice: 0,
  stallPerMessage: 0,
  partitionPerMinute: 0,
  controllerCrashPerEvent: 0,
  workerCrashPerEvent: 0,
  crashPerMinute: 0,
  bundleLossPerCrash: 0,
  clockPerMinute: 0,
  delayMsMax: 50,
  stallMsMax: 8_000,
};
const seed = 1;

/** The end of each job, how often it was begun, and which events of the controller went into its journal. */
function watching() {
  const levels = new Map<string, string | null>();
  const journaled: number[] = [];
  let handled = 0;
  let published = false;
  let written = false;
  const watch: Checker = {
    invariant: 'watch',
    observe(seen, truth) {
      if (seen.kind === 'journaled' && seen.who === 'controller') written = true;
      if (seen.kind === 'handled') {
        handled++;
        published ||= seen.event.kind === 'submit';
        if (published && written) journaled.push(handled);
        written = false;
      }
      if (seen.kind === 'ended')
        for (const run of allRuns(seen.state))
          levels.set(truth.workOf(run.id)?.name ?? run.id, publishedLevelOf(run));
    },
  };
  return { levels, journaled, checkers: () => [...allCheckers(), watch] };
}

async function run(crash?: SimulateOptions['crash'], powerCutPerCrash = 0) {
  const { levels, journaled, checkers } = watching();
  const options = { scenario, checkers, crash, once: true, rates: { ...rates, powerCutPerCrash } } as const;
  const result = await simulate(seed, options);
  const crashes = result.trace.filter((line) => line.includes('controller crashes')).length;
  return {
    levels: Object.fromEntries(levels),
    journaled,
    crashes,
    failure: describeFailure(result, undefined),
  };
}

const trusted = { build: 'trusted', test: 'trusted', package: 'trusted' };
const points: CrashPoint[] = ['before the journal', 'after the journal', 'between effects'];

const ways = points.flatMap((point) => [[point, 'killed', 0] as const, [point, 'power cut', 1] as const]);

it('undisturbed, all jobs of a pipeline are trusted', async () => {
  expect(await run()).toMatchObject({ levels: trusted, crashes: 0, failure: [] });
});

it.each(ways)(
  'a controller that dies %s of any event (%s) comes to the same verdicts',
  async (point, how, powerCut) => {
    const { journaled } = await run();
    let died = 0;
    for (const at of journaled) {
      const { levels, crashes, failure } = await run({ at, point }, powerCut);
      const where = `event ${at}, ${point}, ${how}`;
      expect([where, failure.join('\n'), levels]).toEqual([where, '', trusted]);
      died += crashes;
    }
    // An event without an effect has nothing after its journal to die in, and one with an effect or two often nothing between.
    expect(died).toBeGreaterThan(journaled.length / 10);
  },
);
