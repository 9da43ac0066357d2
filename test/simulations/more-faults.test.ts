import { describe, expect, it } from 'vitest';
import { simulateWatching } from '../../simulations/watching/simulate.ts';
import { levelsOf, mute } from './mute-witnesses.ts';
import { olderWorkers } from './older-workers.ts';
import { realKeys } from './real-keys.ts';
import { expectClean, range } from './seeds.ts';
import { tellsTwoStories } from './two-stories.ts';

olderWorkers(4);
tellsTwoStories({ early: range(1, 8), late: [range(1, 6), range(1, 6)] });

describe('a watcher and a hook beside a forge and a controller that lie', () => {
  it.each(range(3, 3))('hold every invariant: seed %i', async (seed) => {
    expect((await simulateWatching(seed)).failure).toBeNull();
  });
});

describe('under faults and attackers every invariant holds', () => {
  // Grants of 90 s are renewed all the time in 22 and 25, which takes as long as ten others.
  it('for seeds 21, 22 and the 76 from 25', { timeout: 300_000 }, async () => {
    const levels = await expectClean([21, 22, ...range(25, 76)]);
    expect(new Set(levels)).toEqual(new Set(['agreed', 'trusted', 'failed', 'disputed', 'unfinished']));
  });

  it('for every twentieth of them with real Ed25519 keys', { timeout: 300_000 }, async () => {
    await expectClean(
      range(1, 5).map((n) => n * 20),
      { keys: realKeys },
    );
  });

  it('with an identity provider apart', async () => {
    await expectClean([17, 18], { scenario: { idp: 'apart' } });
  });

  it('where one of the operators is heard as a witness, and the others leave', async () => {
    expect(new Set(await levelsOf(2, () => mute(3, 'leaves')))).toEqual(new Set(['agreed']));
  });

  it('through forty minutes in which streams break: delivered leases run out before their workers are back', async () => {
    await expectClean([3, 5, 8], { scenario: { faultsMs: 40 * 60_000 }, rates: { breakPerMessage: 0.03 } });
  });
});
