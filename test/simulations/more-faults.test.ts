import { describe, expect, it } from 'vitest';
import { realKeys } from './real-keys.ts';
import { expectClean, range } from './seeds.ts';
import { tellsTwoStories } from './two-stories.ts';

tellsTwoStories(8, 6);

describe('under faults and attackers every invariant holds', () => {
  // Grants of 90 s are renewed all the time in the first two, which takes as long as ten others.
  it('for seeds 22, 25 and the 73 from 28', { timeout: 300_000 }, async () => {
    const levels = await expectClean([22, 25, ...range(28, 73)]);
    expect(new Set(levels)).toEqual(new Set(['agreed', 'trusted', 'failed', 'disputed', 'unfinished']));
  });

  it('for every twentieth of them with real Ed25519 keys', { timeout: 300_000 }, async () => {
    await expectClean(
      range(1, 5).map((n) => n * 20),
      { keys: realKeys },
    );
  });

  it('through forty minutes in which streams break: delivered leases run out before their workers are back', async () => {
    await expectClean([3, 5, 8], { scenario: { faultsMs: 40 * 60_000 }, rates: { breakPerMessage: 0.03 } });
  });
});
