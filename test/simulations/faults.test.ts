import { describe, expect, it } from 'vitest';
import { expectClean, range } from './seeds.ts';

describe('under faults and attackers every invariant holds', () => {
  it('for the 20 seeds from 1', { timeout: 300_000 }, async () => {
    const levels = await expectClean(range(1, 20));
    // Runs that all end in nothing would prove nothing.
    expect(new Set(levels)).toEqual(new Set(['agreed', 'trusted', 'failed', 'disputed']));
  });

  it('through forty minutes in which streams break: delivered leases run out before their workers are back', async () => {
    await expectClean([3, 5, 8], { scenario: { faultsMs: 40 * 60_000 }, rates: { breakPerMessage: 0.03 } });
  });
});
