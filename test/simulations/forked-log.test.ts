import { describe, expect, it } from 'vitest';
import { witnesses } from '../../simulations/checkers/witnesses.ts';
import type { Checker } from '../../simulations/observer.ts';
import { simulate } from '../../simulations/simulate.ts';
import { range } from './seeds.ts';

/** How many workers of a run came to know that the log tells two stories. */
async function attack(seed: number, forks: boolean): Promise<{ informed: number; failure: unknown }> {
  const informed = new Set<string>();
  const listener = (): Checker => ({
    invariant: 'listener',
    observe(seen) {
      if (seen.kind === 'equivocated') informed.add(seen.worker);
    },
  });
  const checkers = () => [witnesses(), listener()];
  const { failure } = await simulate(seed, { patches: () => ({ forks }), checkers, once: true });
  return { informed: informed.size, failure };
}

describe('a controller that tells its workers two stories', () => {
  it('is found out by workers that none of them signs both, whatever breaks', {
    timeout: 300_000,
  }, async () => {
    for (const seed of range(1, 8)) {
      const { informed, failure } = await attack(seed, true);
      expect(failure, `seed ${seed}`).toBeNull();
      expect(informed, `seed ${seed}`).toBeGreaterThan(1);
    }
  });

  it('control: nobody is accused where it tells one', async () =>
    expect(await attack(1, false)).toEqual({ informed: 0, failure: null }));
});
