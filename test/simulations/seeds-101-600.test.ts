import { describe, it } from 'vitest';
import { expectClean, range } from './seeds.ts';

describe('under faults and attackers every invariant holds', () => {
  it.each(range(0, 5).map((hundred) => 101 + 100 * hundred))('for the 100 seeds from %i', async (from) => {
    await expectClean(range(from, 100));
  });
});
