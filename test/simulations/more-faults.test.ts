import { describe, expect, it } from 'vitest';
import { calm, type Rates } from '../../simulations/rates.ts';
import { simulateWatching } from '../../simulations/watching/simulate.ts';
import { levelsOf, mute } from './mute-witnesses.ts';
import { olderWorkers } from './older-workers.ts';
import { realKeys } from './real-keys.ts';
import { expectClean, range } from './seeds.ts';
import { tellsTwoStories } from './two-stories.ts';

const longStalls = { breakPerMessage: 0.03, stallPerMessage: 0.02, stallMsMax: 300_000 };
const longLines: Rates = {
  ...calm,
  breakPerMessage: 0.15,
  delayMsMax: 5_000,
  stallMsMax: 15_000,
  noticeMsMax: 60_000,
};
const twentyNinth: Rates = {
  ...calm,
  gossipLoss: 0.0868,
  gossipTwice: 0.1159,
  delayMsMax: 3_000,
  controllerCrashPerEvent: 0.0049,
  workerCrashPerEvent: 0.0016,
  crashPerMinute: 0.0428,
  partitionPerMinute: 0.189,
};

olderWorkers(4);
tellsTwoStories({ early: range(1, 8), late: [range(1, 6), range(1, 6)] });

describe('a watcher and a hook beside a forge and a controller that lie', () => {
  it.each(range(3, 3))('hold every invariant: seed %i', async (seed) => {
    expect((await simulateWatching(seed)).failure).toBeNull();
  });
});

describe('under faults and attackers every invariant holds', () => {
  const levels = new Set<unknown>();
  // Grants of 90 s are renewed all the time in 22 and 25, which takes as long as ten others.
  it.each([
    ...[21, 22, 23, 24, 25].map((seed) => [seed, 1]),
    ...[26, 41, 56, 71, 86].map((first) => [first, 15]),
  ])('for seeds from %i on, %i of them', async (first = 0, count = 0) => {
    for (const level of await expectClean(range(first, count))) levels.add(level);
  });

  it('for all of these, which come to every level', () => {
    expect(levels).toEqual(new Set(['agreed', 'trusted', 'failed', 'disputed', 'unfinished']));
  });

  it('for every twentieth of them with real Ed25519 keys', { timeout: 300_000 }, async () => {
    await expectClean(
      range(1, 5).map((n) => n * 20),
      { keys: realKeys },
    );
  });

  it('with an identity provider apart', async () => {
    await expectClean([16, 17, 18], { scenario: { idp: 'apart' } });
  });

  it('where one or two of the operators are heard as witnesses, and the others leave', async () => {
    expect(new Set(await levelsOf(2, () => mute(3, 'leaves')))).toEqual(new Set(['agreed']));
    expect((await levelsOf(2, () => mute(2, 'leaves'))).at(-1)).toBe('trusted');
  });

  it.each([
    ['the controller notices before a worker that a line is dead', 6, { ...calm, ...longStalls }],
    ['the controller does so while its log is read', 29, { ...twentyNinth, ...longStalls }],
    ['a receipt is recorded on the stream before, and repeated on the next one', 6, longLines],
  ])('when %s', async (_, seed, rates) => {
    await expectClean([seed], { rates, once: true });
  });

  it('through forty minutes in which streams break: delivered leases run out before their workers are back', async () => {
    await expectClean([3, 5, 8], { scenario: { faultsMs: 40 * 60_000 }, rates: { breakPerMessage: 0.03 } });
  });
});
