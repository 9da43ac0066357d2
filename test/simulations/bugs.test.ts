import { describe, expect, it } from 'vitest';
import { type Bug, bugs } from '../../simulations/bugs.ts';
import { allCheckers } from '../../simulations/checkers/index.ts';
import { describeFailure } from '../../simulations/report.ts';
import { simulate } from '../../simulations/simulate.ts';
import { range } from './seeds.ts';

/** Seeds that bring a bug to light now; where the code has changed since, the first 200 are searched. */
const seeds: Record<string, number> = {
  'vote-counted-twice': 4,
  'ack-before-journal': 11,
  'promises-unsynced': 2,
  'fence-ignored': 3,
  'reveal-early': 2,
  'slot-freed-silently': 3,
  'receipt-dropped': 4,
  'log-rewritten': 1,
  'policy-weakened': 21,
  'unwitnessed-is-trusted': 9,
  'verdict-changed': 6,
  'unsigned-is-disputed': 41,
  'revoked-goes-on': 3,
  'receipts-dropped-early': 1,
  'lost-bundles-believed': 4,
  'state-outside-journal': 2,
  'no-timers': 4,
  'builds-all-at-once': 6,
  'trusted-worker-copies': 23,
  'lease-ends-at-reveal': 22,
  'offers-before-started': 146,
  'offers-under-old-charter': 1,
  'broken-line-refuses': 27,
  'controller-never-looked-for': 7,
  'reveal-before-ack': 58,
  'witness-forgets': 1,
  'wrong-clock-journaled': 3,
  'order-by-chance': 4,
};

const only = (invariant: string) => () => allCheckers().filter((checker) => checker.invariant === invariant);

describe('a planted bug', () => {
  it.each(Object.entries(bugs))(
    '%s is caught by its checker',
    async (name, { caughtBy, patches, rates = {} }: Bug) => {
      let found: number | undefined;
      for (const seed of [seeds[name] ?? 1, ...range(1, 200)]) {
        const { failure } = await simulate(seed, { patches, rates, checkers: only(caughtBy) });
        if (failure === null) continue;
        expect(failure.invariant).toBe(caughtBy);
        found = seed;
        break;
      }
      expect(found, 'a seed among the first 200').toBeDefined();
      // The bug is what fails, not the seed.
      expect((await simulate(found ?? 0, { rates, checkers: only(caughtBy) })).failure).toBeNull();
    },
  );

  it('is reported with what happened last and how to see it again', async () => {
    const seed = seeds['reveal-early'] ?? 1;
    const result = await simulate(seed, { patches: bugs['reveal-early']?.patches });
    const report = describeFailure(result, 'reveal-early');
    expect(report).toContain(`seed ${seed}: sealed does not hold`);
    expect(report.at(-1)).toBe(`Again: npm run simulate -- faults --seed ${seed} --bug reveal-early`);
    expect(report.slice(-2 - result.tail.length, -2)).toEqual(result.trace.slice(-30));
  });
});

describe('the checkers', () => {
  it('each have a planted bug', () => {
    const caught = new Set(Object.values(bugs).map(({ caughtBy }) => caughtBy));
    const all = [...allCheckers().map(({ invariant }) => invariant), 'determinism'];
    expect([...caught].sort()).toEqual(all.sort());
  });

  it('find nothing where nothing goes wrong and nobody cheats', { timeout: 120_000 }, async () => {
    const quiet = {
      breakPerMessage: 0,
      gossipLoss: 0,
      gossipTwice: 0,
      controllerCrashPerEvent: 0,
      workerCrashPerEvent: 0,
      partitionPerMinute: 0,
    };
    for (const seed of range(1, 5)) expect((await simulate(seed, { rates: quiet })).failure).toBeNull();
  });
});
