import { spawn } from 'node:child_process';
import { expect, it } from 'vitest';
import { BusyOwner, busySeconds, hostLoad, processorTimes } from '../../../src/worker/node/operator.ts';
import { until } from '../../e2e/support/wait.ts';

it('is what others keep busy: neither waiting nor what is ours counts', () => {
  expect(busySeconds('cpu  100 20 30 4000 500 6 7 0 0 0\ncpu0 1 1 1\n')).toBeCloseTo(1.63);
  const before = { at: 10, machine: 100, ours: 50 };
  expect(hostLoad(before, { at: 20, machine: 115, ours: 60 })).toBeCloseTo(0.5);
  expect(hostLoad(before, { at: 20, machine: 108, ours: 60 })).toBe(0);
  expect(hostLoad(before, before)).toBe(0);
});

it('keeps the host for others from the first measurement above the limit until two in a row are not', () => {
  const owner = new BusyOwner();
  const seen = (loads: number[]) =>
    loads.map((load) => {
      owner.look(load, 1);
      return owner.isBusy;
    });
  expect(owner.isBusy).toBe(false);
  expect(seen([0.5, 1, 1.1, 1, 1.1, 1, 0, 0.5])).toEqual([
    ...[false, false, true, true, true, true, false, false],
  ]);
});

it('sees a program that is not ours', async () => {
  const program = spawn('timeout', ['300', 'sh', '-c', 'while :; do :; done'], { stdio: 'ignore' });
  try {
    const before = await processorTimes(0);
    await until('its load', async () => hostLoad(before, await processorTimes(0)) > 0.2);
  } finally {
    // Which timeout passes on; of a kill it would leave its child behind.
    program.kill('SIGTERM');
  }
});
