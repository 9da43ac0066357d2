import { describe, expect, it } from 'vitest';
import { calm, type Rates } from '../../simulations/rates.ts';
import { expectClean } from './seeds.ts';

/** Each seed goes the same way twice: two of all kinds are looked at for it. */
const once = true as const;
const longStalls = { breakPerMessage: 0.03, stallPerMessage: 0.02, stallMsMax: 300_000 };
const sixteenth: Rates = {
  ...calm,
  breakPerMessage: 0.15,
  gossipLoss: 0.0084,
  gossipTwice: 0.0397,
  delayMsMax: 3_000,
  stallPerMessage: 0.0027,
  controllerCrashPerEvent: 0.0063,
  workerCrashPerEvent: 0.001,
  crashPerMinute: 0.0081,
  partitionPerMinute: 0.0023,
};
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

describe('under faults and attackers every invariant holds', () => {
  it('for three seeds from 20', { timeout: 300_000 }, async () => {
    // Runs that all end in nothing would prove nothing.
    const levels = [...(await expectClean([20, 24])), ...(await expectClean([23], { once }))];
    expect(levels).toContain('trusted');
  });

  it.each([
    ['a run is cancelled while its trusted worker checks the draft', 16, sixteenth],
    ['the controller notices before a worker that a line is dead', 6, { ...calm, ...longStalls }],
    ['the controller does so while its log is read', 29, { ...twentyNinth, ...longStalls }],
    ['a receipt is recorded on the stream before, and repeated on the next one', 6, longLines],
    ['every seventh message breaks its stream', 10, { ...calm, breakPerMessage: 0.15, delayMsMax: 3_000 }],
  ])('when %s', async (_, seed, rates) => {
    await expectClean([seed], { rates, once });
  });

  it('with an identity provider apart that is down, cut off and late, and somebody who has the controller too', async () => {
    expect(await expectClean([15, 16], { scenario: { idp: 'apart' }, once })).toContain('trusted');
    const charters = [
      { afterMs: 20_000, replaces: 'idp' as const },
      { afterMs: 60_000, replaces: 'controller' as const },
      { afterMs: 100_000, replaces: 'idp at once' as const },
    ];
    await expectClean([16], { scenario: { idp: 'apart', charters }, once });
  });

  it('when those who join late hold tickets of an identity provider that is gone: the owner gives them others', async () => {
    const charters = [{ afterMs: 10_000, replaces: 'idp at once' as const }];
    await expectClean([1, 26], { scenario: { trusted: 'late', charters }, rates: calm, once });
  });
});
