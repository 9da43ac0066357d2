import { describe, expect, it } from 'vitest';
import { watchBugs } from '../../simulations/watching/bugs.ts';
import { watchCheckers } from '../../simulations/watching/checkers.ts';
import { simulateWatching } from '../../simulations/watching/simulate.ts';
import { range } from './seeds.ts';

describe('a watcher and a hook beside a forge and a controller that lie', () => {
  const first = simulateWatching(1);

  it.each([1, 2])('hold every invariant: seed %i', async (seed) => {
    const { failure, trace } = await (seed === 1 ? first : simulateWatching(seed));
    expect(failure, trace.lines.slice(-30).join('\n')).toBeNull();
  });

  it('go the same way each time', async () => {
    const [one, two] = [await first, await simulateWatching(1)];
    expect(one.trace.hash).toBe(two.trace.hash);
  });

  it.each(Object.entries(watchBugs))('%s is caught by its checker', async (_, { caughtBy, ...patches }) => {
    const found: string[] = [];
    for (const seed of range(4, 12)) {
      const { failure } = await simulateWatching(seed, patches);
      if (failure !== null) found.push(failure.invariant);
      if (failure?.invariant === caughtBy) break;
    }
    expect(found).toContain(caughtBy);
  });

  it('have a planted bug for each checker', () => {
    const caught = new Set(Object.values(watchBugs).map(({ caughtBy }) => caughtBy));
    const all = [...Object.keys(watchCheckers), 'replay'];
    expect([...caught].sort()).toEqual(all.sort());
  });
});
