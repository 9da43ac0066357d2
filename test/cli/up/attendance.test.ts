import { expect, it, onTestFinished, vi } from 'vitest';
import { Attendance } from '../../../src/cli/up/up.ts';

it('those who are missing are named until all are there, or the wait is stopped', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const told: string[] = [];
  const waitFor = (stopped: Promise<unknown>) => {
    const attendance = new Attendance(['local-1', 'local-2', 'local-trusted'], (says) => told.push(says));
    return { attendance, whole: attendance.whole(stopped) };
  };
  const { attendance, whole } = waitFor(new Promise(() => {}));
  for (const name of ['local-1', 'somebody', undefined]) attendance.came(name);
  await vi.advanceTimersByTimeAsync(10_000);
  attendance.came('local-2');
  await vi.advanceTimersByTimeAsync(10_000);
  attendance.came('local-trusted');
  await whole;
  const both = ['Waiting for local-2, local-trusted to connect.', 'Waiting for local-trusted to connect.'];
  expect(told).toEqual(both);
  const stop = Promise.withResolvers<void>();
  const other = waitFor(stop.promise);
  stop.resolve();
  await other.whole;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(told).toEqual(both);
});
