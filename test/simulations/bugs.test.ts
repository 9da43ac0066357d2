import { describe, expect, it } from 'vitest';
import { bugs } from '../../simulations/bugs.ts';
import { allCheckers } from '../../simulations/checkers/index.ts';
import { describeFailure } from '../../simulations/main.ts';
import { simulate } from '../../simulations/simulate.ts';
import { expectCaught, quickBugs, seeds } from './planted.ts';

describe('a planted bug', () => {
  it.each(quickBugs)('%s is caught by its checker', expectCaught);

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
    for (const seed of [5, 26])
      expect((await simulate(seed, { rates: quiet, once: true })).failure).toBeNull();
  });
});
