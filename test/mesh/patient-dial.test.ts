import { syncBuiltinESMExports } from 'node:module';
import timers from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { QuorateError } from '../../src/core/errors.ts';
import { dialPatiently } from '../../src/mesh/patient-dial.ts';
import { codeOf } from './harness.ts';

const busy = () => new QuorateError('MESH_BUSY', 'it is busy');

/** Dials a peer that takes the nth connection; gives what came of it, the dials, and the waits between them. */
async function dial(nth: number, error: () => Error = busy, signal = new AbortController().signal) {
  const waits: number[] = [];
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
  vi.spyOn(timers, 'setTimeout').mockImplementation(async (ms, value, options) => {
    waits.push(ms ?? 0);
    options?.signal?.throwIfAborted();
    return value as never;
  });
  syncBuiltinESMExports();
  onTestFinished(() => {
    vi.restoreAllMocks();
    syncBuiltinESMExports();
  });
  let dials = 0;
  const code = await codeOf(
    dialPatiently(async () => {
      dials += 1;
      if (dials < nth) throw error();
    }, signal),
  );
  return { code, dials, waits };
}

test('a busy peer is dialled again, a few times, after waits that double', async () => {
  const waits = [250, 500, 1_000, 2_000];
  expect(await dial(5)).toEqual({ code: undefined, dials: 5, waits });
  expect(await dial(50)).toEqual({ code: 'MESH_BUSY', dials: 5, waits });
});

test('a peer that is not there is dialled once', async () => {
  expect(await dial(2, () => new QuorateError('MESH_UNREACHABLE', 'nobody'))).toMatchObject({ dials: 1 });
});

test('the time of the caller ends the wait', async () => {
  expect(await dial(3, busy, AbortSignal.abort())).toMatchObject({ code: 'MESH_BUSY', dials: 1 });
});
