import { describe, expect, it } from 'vitest';
import { allCheckers } from '../../simulations/checkers/index.ts';
import type { Checker } from '../../simulations/observer.ts';
import type { Scenario } from '../../simulations/scenario.ts';
import { simulate } from '../../simulations/simulate.ts';

/**
 * How many workers of a run came to know that the log tells two stories, which differ in the leaf `at`, and of how many of them
 * trusted workers are known to have signed it.
 */
export async function attack(
  seed: number,
  at: number | undefined,
  scenario: Partial<Scenario> = {},
): Promise<{ informed: number; lines: number; failure: unknown }> {
  const informed = new Set<string>();
  let lines = 0;
  const listener = (): Checker => ({
    invariant: 'listener',
    observe(seen) {
      if (seen.kind !== 'equivocated') return;
      informed.add(seen.worker);
      lines = Math.max(lines, seen.proves.lines);
    },
  });
  const { failure } = await simulate(seed, {
    scenario,
    once: true,
    checkers: () => [...allCheckers(['witnesses', 'forks']), listener()],
    patches: () => (at === undefined ? {} : { forks: at }),
  });
  return { informed: informed.size, lines, failure };
}

export interface TwoStorySeeds {
  /** The stories differ at the start of the log. */
  early: readonly number[];
  /** They differ after verdicts were published, with one trusted worker and with two. */
  late: readonly [one: readonly number[], two: readonly number[]];
}

export function tellsTwoStories({ early, late }: TwoStorySeeds): void {
  describe('a controller that tells its workers two stories', () => {
    it('is found out by workers that none of them signs both, whatever breaks', {
      timeout: 300_000,
    }, async () => {
      for (const seed of early) {
        const { informed, failure } = await attack(seed, 1);
        expect(failure, `seed ${seed}`).toBeNull();
        expect(informed, `seed ${seed}`).toBeGreaterThan(1);
      }
    });

    it('after verdicts were published voids those without the line of a trusted worker, or all where trusted workers signed both', {
      timeout: 300_000,
    }, async () => {
      for (const [second, at, most, seeds] of [
        [false, 14, 1, late[0]],
        [true, 12, 2, late[1]],
      ] as const) {
        const found = [];
        for (const seed of seeds) {
          const { lines, failure } = await attack(seed, at, { trusted: 'there', second });
          expect(failure, `seed ${seed}`).toBeNull();
          found.push(lines);
        }
        expect(Math.max(...found)).toBe(most);
      }
    });
  });
}
