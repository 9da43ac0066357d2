import { describe, expect, it } from 'vitest';
import { realKeys } from './real-keys.ts';
import { expectClean, range } from './seeds.ts';

describe('under faults and attackers every invariant holds', () => {
  it.each([101, 151])('for the 50 seeds from %i', { timeout: 300_000 }, async (from) => {
    const levels = await expectClean(range(from, 50));
    expect(new Set(levels)).toEqual(new Set(['agreed', 'trusted', 'failed', 'disputed']));
  });

  it('for every twentieth of them with real Ed25519 keys', { timeout: 300_000 }, async () => {
    await expectClean(
      range(1, 10).map((n) => n * 20),
      { keys: realKeys },
    );
  });
});
