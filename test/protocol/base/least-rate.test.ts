import { expect, it } from 'vitest';
import { LeastRate } from '../../../src/protocol/base/least-rate.ts';
import { limits } from '../../../src/protocol/base/limits.ts';

const windowMs = 1_000;
const enough = limits.leastRateBytes;

it.each<[string, [bytes: number, waitedMs: number][], boolean]>([
  ['enough in a window', [[enough, windowMs]], false],
  [
    'enough in a window, and nothing in half of the next',
    [
      [enough, windowMs],
      [0, windowMs / 2],
    ],
    false,
  ],
  ['a byte too few in a window', [[enough - 1, windowMs]], true],
  ['too few so far, in half a window', [[0, windowMs / 2]], false],
  [
    'a lot at the end of a window',
    [
      [0, windowMs - 1],
      [enough, 1],
    ],
    false,
  ],
  [
    'a lot in the window before',
    [
      [99 * enough, windowMs],
      [0, windowMs],
    ],
    true,
  ],
  ['a long wait, and as much as it is long', [[9 * enough, 9 * windowMs]], false],
  ['nothing that was waited for', Array.from({ length: 99 }, () => [0, 0]), false],
])('a sender of %s', (_, parts, isBelow) => {
  const rate = new LeastRate(windowMs);
  expect(parts.map(([bytes, waitedMs]) => rate.isBelow(bytes, waitedMs)).at(-1)).toBe(isBelow);
});
