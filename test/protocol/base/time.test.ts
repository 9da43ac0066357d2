import { describe, expect, it, vi } from 'vitest';
import { isoTime, secondsOfIso } from '../../../src/protocol/base/time.ts';

describe('secondsOfIso', () => {
  it.each([
    ...['1970-01-01', '2000-02-29', '2024-01-31', '2024-02-01', '2024-03-01', '2023-12-31', '1999-03-31'],
    ...['2100-02-28', '0000-01-01', '9999-12-31'],
  ])('is that of Date, on %s', (day) => {
    for (const time of ['00:00:00Z', '23:59:59Z', '12:34:56.789Z'])
      expect(secondsOfIso(`${day}T${time}`)).toBe(Math.floor(Date.parse(`${day}T${time}`) / 1000));
    expect(secondsOfIso(`${day}T12:34Z`)).toBe(Date.parse(`${day}T12:34Z`) / 1000);
  });

  it('asks Date for no fraction: how it reads one of other than three digits is up to the browser', () => {
    const parse = vi.spyOn(Date, 'parse');
    expect(secondsOfIso(`1969-12-31T23:59:58.${'9'.repeat(30)}Z`)).toBe(-2);
    expect(parse.mock.calls).toEqual([['1969-12-31T23:59:58Z']]);
    parse.mockRestore();
  });
});

describe('isoTime', () => {
  it.each([0, 951_782_400_000, 1_709_164_799_999, 4_102_444_800_000, -1])('is that of Date, for %i', (ms) => {
    expect(isoTime(ms)).toBe(new Date(ms).toISOString());
  });

  it.each([Number.MAX_SAFE_INTEGER * 1000, -Number.MAX_SAFE_INTEGER])('takes any number, as %i', (ms) => {
    expect(isoTime(ms)).toMatch(/^[+-]\d{6}-/);
  });

  it('cuts a fraction of a millisecond off', () => {
    expect(isoTime(1_709_164_799_998.98)).toBe('2024-02-28T23:59:59.998Z');
  });
});
