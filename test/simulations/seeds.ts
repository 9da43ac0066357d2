import { describe, expect, it } from 'vitest';
import { describeFailure } from '../../simulations/main.ts';
import { type SimulateOptions, simulate } from '../../simulations/simulate.ts';

/** Runs these seeds; the first that fails says why and how to see it again. Returns the levels of all verdicts. */
export async function expectClean(
  seeds: readonly number[],
  options: SimulateOptions = {},
): Promise<string[]> {
  const levels: string[] = [];
  for (const seed of seeds) {
    const result = await simulate(seed, options);
    expect(describeFailure(result, undefined).join('\n')).toBe('');
    levels.push(...result.levels);
  }
  return levels;
}

export const range = (from: number, count: number) => Array.from({ length: count }, (_, n) => from + n);

/** Tests of so many seeds. Every fifth goes its way twice: what differs then is seldom the seed's alone. */
export function cleanFrom(first: number, count: number): void {
  const [each, twice] = [25, 5];
  describe('under faults and attackers every invariant holds', () => {
    it.each(range(0, count / each).map((n) => first + each * n))('for the 25 seeds from %i', async (from) => {
      await expectClean(range(from, twice));
      await expectClean(range(from + twice, each - twice), { once: true });
    });
  });
}
