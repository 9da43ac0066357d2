import { expect, it } from 'vitest';
import { Rate } from '../../src/cli/rate.ts';

const MiB = 1024 * 1024;

it('says how far, how fast and how long, as soon as each can be known', () => {
  const rate = new Rate();
  expect(rate.text(0)).toBe('');
  rate.add(0, 0);
  rate.add(500, 5 * MiB);
  expect(rate.text(500)).toBe('5 MiB');
  rate.add(600, 6 * MiB, 100 * MiB);
  expect(rate.text(600)).toBe('6 MiB of 100 MiB');
  rate.add(2_000, 20 * MiB, 100 * MiB);
  expect(rate.text(2_000)).toBe('20 MiB of 100 MiB, 10 MiB/s, 8.0 s left');
});

it('goes by the last seconds, and slows down while nothing comes', () => {
  const rate = new Rate();
  for (let second = 0; second <= 10; second += 1) rate.add(second * 1000, second * 100 * MiB, 10_000 * MiB);
  for (let second = 11; second <= 20; second += 1)
    rate.add(second * 1000, (1000 + second - 10) * MiB, 10_000 * MiB);
  expect(rate.text(20_000)).toContain('1 MiB/s');
  expect(rate.text(60_000)).not.toContain('1 MiB/s');
});

it('says no time left for what is over its stated size', () => {
  const rate = new Rate();
  rate.add(0, 0, MiB);
  rate.add(2_000, 2 * MiB, MiB);
  expect(rate.text(2_000)).toBe('2 MiB of 1 MiB, 1 MiB/s');
});
