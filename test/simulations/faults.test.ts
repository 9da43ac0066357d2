import { describe, expect, it } from 'vitest';
import { calm, type Rates } from '../../simulations/rates.ts';
import { expectClean } from './seeds.ts';

/** Each seed goes the same way twice: one of all kinds is looked at for it, and others in more-faults.test.ts. */
const once = true as const;
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

describe('under faults and attackers every invariant holds', () => {
  it('for two seeds from 20', { timeout: 300_000 }, async () => {
    // Runs that all end in nothing would prove nothing.
    const levels = [...(await expectClean([20])), ...(await expectClean([24], { once }))];
    expect(levels).toContain('trusted');
  });

  it.each([
    ['a run is cancelled while its trusted worker checks the draft', 16, sixteenth],
    ['every seventh message breaks its stream', 10, { ...calm, breakPerMessage: 0.15, delayMsMax: 3_000 }],
  ])('when %s', async (_, seed, rates) => {
    await expectClean([seed], { rates, once });
  });

  it('with an identity provider apart that is down, cut off and late, and somebody who has the controller too', async () => {
    expect(await expectClean([15], { scenario: { idp: 'apart' }, once })).toContain('trusted');
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
