import { describe, it } from 'vitest';
import { expectClean, range } from './seeds.ts';

describe('under faults and attackers every invariant holds', () => {
  it.each(range(0, 5).map((fifty) => 101 + 50 * fifty))('for the 50 seeds from %i', async (from) => {
    await expectClean(range(from, 50));
  });
});
