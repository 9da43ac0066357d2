import { expect, onTestFinished, test, vi } from 'vitest';
import { QuorateError } from '../../src/core/errors.ts';
import { meshLimits } from '../../src/mesh/limits.ts';
import { dialPatiently } from '../../src/mesh/patient-dial.ts';
import { codeOf } from './harness.ts';

const busy = () => new QuorateError('MESH_BUSY', 'it is busy');

/** Dials a peer that takes the nth connection, and gives what came of it and the dials. */
async function dial(nth: number, error: () => Error = busy, signal = new AbortController().signal) {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  let dials = 0;
  const ended = codeOf(
    dialPatiently(async () => {
      dials += 1;
      if (dials < nth) throw error();
    }, signal),
  );
  await vi.runAllTimersAsync();
  return { code: await ended, dials };
}

test('a busy peer is dialled again, a few times', async () => {
  expect(await dial(meshLimits.busyTriesMax)).toEqual({ code: undefined, dials: meshLimits.busyTriesMax });
  expect(await dial(meshLimits.busyTriesMax + 1)).toEqual({
    code: 'MESH_BUSY',
    dials: meshLimits.busyTriesMax,
  });
});

test('a peer that is not there is dialled once', async () => {
  expect(await dial(2, () => new QuorateError('MESH_UNREACHABLE', 'nobody'))).toMatchObject({ dials: 1 });
});

test('the time of the caller ends the wait', async () => {
  expect(await dial(3, busy, AbortSignal.abort())).toEqual({ code: 'MESH_BUSY', dials: 1 });
});
