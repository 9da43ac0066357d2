import { describe, expect, it } from 'vitest';
import { bugs } from '../../../simulations/bugs.ts';
import { allCheckers } from '../../../simulations/checkers/index.ts';
import { simulate } from '../../../simulations/simulate.ts';

/** Crashes of the controller, again and again: what becomes of the receipts it has acknowledged? */
async function lost(bug?: string): Promise<boolean> {
  const options = {
    // That a seed goes the same way twice, other tests prove (test/simulations/faults.test.ts).
    once: true as const,
    rates: { controllerCrashPerEvent: 0.05 },
    checkers: () => allCheckers().filter(({ invariant }) => invariant === 'acks'),
    ...(bug === undefined ? {} : { patches: bugs[bug]?.patches }),
  };
  return (await simulate(5, options)).failure !== null;
}

describe('a crash right after an acknowledgement', () => {
  it('loses nothing that was acknowledged', async () => expect(await lost()).toBe(false));
  it('control: loses it where the journal is written last', async () =>
    expect(await lost('ack-before-journal')).toBe(true));
});
