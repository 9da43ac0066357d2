import { expect, it } from 'vitest';
import { Rate } from '../../../src/protocol/base/bandwidth.ts';
import { limits } from '../../../src/protocol/base/limits.ts';

it('lets bytes move up to its burst, and then as many as it allows', () => {
  const rate = new Rate(1_000);
  const at = limits.bandwidthBurstMs;
  // The burst is there after as long as it lasts, and grows no more.
  expect(rate.wait(100 * at)).toBe(0);
  expect(rate.charge(at - 1, 100 * at)).toBe(0);
  // The burst is used up: the next byte waits for a millisecond.
  expect(rate.charge(1, 100 * at)).toBe(1);
  expect(rate.charge(500, 100 * at)).toBe(500);
  expect(rate.wait(100 * at + 499)).toBe(1);
  expect(rate.wait(100 * at + 501)).toBe(0);
  // A long rest saves no more than a burst, also where bytes move right away.
  const later = 200 * at;
  expect([rate.wait(later), rate.charge(at, later), rate.wait(later)]).toEqual([0, 1, 1]);
  expect(rate.charge(0, later + at)).toBe(0);
  expect(rate.charge(at, later + 50 * at)).toBe(1);
  expect(rate.wait(later + 51 * at)).toBe(0);
  // A clock that goes back takes nothing away.
  expect(rate.wait(0)).toBe(0);
});

it('without a limit lets all move, and forgets what was moved when it gets one', () => {
  const rate = new Rate();
  expect([rate.perSecond, rate.wait(0), rate.charge(10 ** 12, 0)]).toEqual([undefined, 0, 0]);
  rate.perSecond = 1_000;
  expect(rate.wait(1)).toBe(0);
  expect(rate.charge(10_000, 1)).toBeGreaterThan(1_000);
  rate.perSecond = 2_000;
  expect(rate.wait(2)).toBe(0);
});
