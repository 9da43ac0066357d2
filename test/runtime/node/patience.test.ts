import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { QuorateError } from '../../../src/core/errors.ts';
import { Patience } from '../../../src/runtime/node/patience.ts';

const busy = (says: string) => new QuorateError('MESH_PEER_QUOTA', says);
const waiting = { signal: new AbortController().signal, tell: () => {} };

describe('patience with a limit that all commands of a home share', () => {
  it('ends with the error that began the wait', async () => {
    const patience = new Patience(waiting, false, { busyMs: 50 });
    await patience.wait(busy('first'));
    await expect(patience.wait(busy('second'))).rejects.toMatchObject({
      ...{ code: 'MESH_PEER_QUOTA', message: 'first' },
    });
  });

  it('begins anew after an answer', async () => {
    const patience = new Patience(waiting, false, { busyMs: 50 });
    await patience.wait(busy('first'));
    patience.progressed();
    await patience.wait(busy('second'));
  });
});

it('with a connection that was lost ends with the error that began the wait', async () => {
  const lost = (says: string) => new QuorateError('CONTROLLER_LOST', says);
  const patience = new Patience(waiting, true, { lostMs: 50 });
  await patience.wait(lost('first'));
  await expect(patience.wait(lost('second'))).rejects.toMatchObject({
    ...{ code: 'CONTROLLER_LOST', message: 'first' },
  });
});

it('waits for a controller that asks its members before it starts, as for one that was lost', async () => {
  const asking = new QuorateError('CONTROLLER_ASKING', 'the controller waits for its members');
  await new Patience(waiting, false).wait(asking);
  // Control: what it refuses stays refused.
  const refused = new QuorateError('KEY_NOT_ENROLLED', 'the key is not enrolled');
  await expect(new Patience(waiting, false).wait(refused)).rejects.toBe(refused);
});

it('has an end for a lost controller after half a minute, and for a limit after ten', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const lost = (says: string) => new QuorateError('CONTROLLER_LOST', says);
  const patience = new Patience(waiting, true);
  await patience.wait(lost('first'));
  vi.advanceTimersByTime(30_000);
  await patience.wait(lost('second'));
  vi.advanceTimersByTime(1);
  await expect(patience.wait(lost('third'))).rejects.toThrow('first');
  const asking = new QuorateError('CONTROLLER_ASKING', 'for whom it waits');
  await expect(patience.wait(asking)).rejects.toBe(asking);
  const shared = new Patience(waiting, true);
  await shared.wait(busy('first'));
  vi.advanceTimersByTime(10 * 60_000);
  await shared.wait(busy('second'));
  vi.advanceTimersByTime(1);
  await expect(shared.wait(busy('third'))).rejects.toThrow('first');
});

it('has no wait where nobody was ever reached, nor for who ends it', async () => {
  const unreached = new QuorateError('CONTROLLER_UNREACHABLE', 'no connection');
  await expect(new Patience(waiting, false).wait(unreached)).rejects.toBe(unreached);
  const stop = new AbortController();
  const ended = new Patience({ ...waiting, signal: stop.signal }, true);
  const wait = ended.wait(unreached);
  stop.abort();
  await expect(wait).rejects.toBe(unreached);
  await expect(ended.wait(unreached)).rejects.toBe(unreached);
});
