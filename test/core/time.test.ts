import { describe, expect, it } from 'vitest';
import { isoTime } from '../../src/core/time.ts';

describe('isoTime', () => {
  it.each([0, 951_782_400_000, 1_709_164_799_999, 4_102_444_800_000, -1])('is that of Date, for %i', (ms) => {
    expect(isoTime(ms)).toBe(new Date(ms).toISOString());
  });

  it('cuts a fraction of a millisecond off', () => {
    expect(isoTime(1_709_164_799_998.98)).toBe('2024-02-28T23:59:59.998Z');
  });
});
