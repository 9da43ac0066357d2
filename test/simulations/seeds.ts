import { expect } from 'vitest';
import { describeFailure } from '../../simulations/report.ts';
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
