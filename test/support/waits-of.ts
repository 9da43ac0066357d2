import { syncBuiltinESMExports } from 'node:module';
import timers from 'node:timers/promises';
import { onTestFinished, vi } from 'vitest';

/** Counts the waits of so many milliseconds, which end at once. */
export function waitsOf(wanted: number): { count: number } {
  const waits = { count: 0 };
  const wait = timers.setTimeout;
  const spy = vi.spyOn(timers, 'setTimeout').mockImplementation(async (ms, value, options) => {
    if (ms !== wanted) return wait(ms, value, options);
    waits.count++;
    options?.signal?.throwIfAborted();
    return value as never;
  });
  syncBuiltinESMExports();
  onTestFinished(() => {
    spy.mockRestore();
    syncBuiltinESMExports();
  });
  return waits;
}
