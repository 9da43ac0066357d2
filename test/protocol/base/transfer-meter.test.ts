import { expect, it } from 'vitest';
import { TransferMeter, transferText } from '../../../src/protocol/base/transfer-meter.ts';

const MiB = 1024 * 1024;

const text = (meter: TransferMeter, now: number): string => {
  const state = meter.state(now);
  return state === undefined ? '' : transferText(state);
};

it('says how far, how fast and how long, as soon as each can be known', () => {
  const meter = new TransferMeter();
  expect(text(meter, 0)).toBe('');
  meter.add(0, 0);
  meter.add(500, 5 * MiB);
  expect(text(meter, 500)).toBe('5 MiB');
  meter.add(600, 6 * MiB, 100 * MiB);
  expect(text(meter, 600)).toBe('6 MiB of 100 MiB');
  meter.add(2_000, 20 * MiB, 100 * MiB);
  expect(text(meter, 2_000)).toBe('20 MiB of 100 MiB, 10 MiB/s, 8.0 s left');
});

it('goes by the last seconds, and slows down while nothing comes', () => {
  const meter = new TransferMeter();
  for (let second = 0; second <= 10; second += 1) meter.add(second * 1000, second * 100 * MiB, 10_000 * MiB);
  for (let second = 11; second <= 20; second += 1)
    meter.add(second * 1000, (1000 + second - 10) * MiB, 10_000 * MiB);
  expect(text(meter, 20_000)).toContain('1 MiB/s');
  expect(text(meter, 60_000)).not.toContain('1 MiB/s');
});

it('knows a rate after a second, of the last five', () => {
  const meter = new TransferMeter();
  meter.add(0, 0);
  expect(meter.state(1_000)?.bytesPerSecond).toBeNull();
  meter.add(999, 1_000);
  expect(meter.state(999)?.bytesPerSecond).toBeNull();
  expect(meter.state(1_000)?.bytesPerSecond).toBe(1_000);
  meter.add(1_000, 3_000);
  // The one before the last five seconds counts until there is one of their beginning.
  meter.add(6_000, 6_000);
  expect(meter.state(6_000)?.bytesPerSecond).toBeCloseTo((5_000 / 5_001) * 1000);
  meter.add(6_001, 8_001);
  expect(meter.state(6_001)?.bytesPerSecond).toBe(1_000);
});

it('says no time left of what is there', () => {
  const meter = new TransferMeter();
  meter.add(0, 0, MiB);
  meter.add(2_000, MiB, MiB);
  expect(text(meter, 2_000)).toBe('1 MiB of 1 MiB, 512 KiB/s');
});

it('says no time left for what is over its stated size', () => {
  const meter = new TransferMeter();
  meter.add(0, 0, MiB);
  meter.add(2_000, 2 * MiB, MiB);
  expect(text(meter, 2_000)).toBe('2 MiB of 1 MiB, 1 MiB/s');
});

it('keeps few of many small blocks', () => {
  const meter = new TransferMeter();
  const { shift } = Array.prototype;
  let shifted = 0;
  const count = function (this: unknown[]) {
    shifted++;
    return shift.call(this);
  };
  Object.defineProperty(Array.prototype, 'shift', { value: count, configurable: true, writable: true });
  try {
    for (let n = 0; n <= 70_000; n++) meter.add(n / 10, n);
  } finally {
    Object.defineProperty(Array.prototype, 'shift', { value: shift, configurable: true, writable: true });
  }
  // Each that falls out of the window moves all others.
  expect(shifted).toBeLessThan(100);
  expect(meter.state(7_000)?.bytesPerSecond).toBeCloseTo(10_000, 0);
});
