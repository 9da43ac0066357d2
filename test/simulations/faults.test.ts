import { describe, expect, it } from 'vitest';
import { expectClean, range } from './seeds.ts';

describe('under faults and attackers every invariant holds', () => {
  it.each([1, 51])('for the 50 seeds from %i', { timeout: 300_000 }, async (from) => {
    const levels = await expectClean(range(from, 50));
    // Runs that all end in nothing would prove nothing.
    expect(new Set(levels)).toEqual(new Set(['agreed', 'trusted', 'failed', 'disputed']));
  });
});
