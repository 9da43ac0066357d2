import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LineEscaper } from '../../../src/protocol/base/escape.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { clockText, LogTimes, parseLogTimes, timeOfLine } from '../../../src/protocol/base/log-times.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const entries = (text = '') => [...parseLogTimes(text)];

it('the first line that begins in a second has a time', () => {
  const times = new LogTimes();
  for (const [text, ms] of [
    ['one\n', 0],
    ['two\n', 900],
    ['three', 1_001.4],
    [' goes on', 2_500],
    ['\nfour\n', 3_200],
    ['five\r', 4_100],
    ['\nsix\r', 5_000],
    ['seven\r\r\n', 6_000],
    ['nine\n', 7_000],
    ['', 9_000],
  ] as const)
    times.push(bytes(text), ms);
  const text = times.text(1e6);
  expect(text).toBe('1+0 2+1001 1+2199 1+900 1+900 1+1000 2+1000');
  expect(entries(text)).toEqual([
    ...[
      [1, 0],
      [3, 1_001],
      [4, 3_200],
      [5, 4_100],
    ],
    ...[
      [6, 5_000],
      [7, 6_000],
      [9, 7_000],
    ],
  ]);
  expect([0, 1, 2, 3, 8, 9, 99].map((line) => timeOfLine(parseLogTimes(text ?? ''), line))).toEqual([
    ...[undefined, 0, 0, 1_001, 6_000, 7_000, 7_000],
  ]);
});

it('lines are counted as they are stored', () => {
  const piece = fc.constantFrom('a', '\n', '\r', '\r\n', 'bc', '\n\n', '\r\r');
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 30 }), (pieces) => {
      const times = new LogTimes();
      const escaper = new LineEscaper();
      let stored = 0;
      for (const [at, text] of pieces.entries()) {
        times.push(bytes(text), at * 1_000);
        stored += escaper.push(text).length;
      }
      times.push(bytes('x\ny'), 1e6);
      stored += escaper.push('x\ny').length;
      // The last line that begins is that of the last piece, or the one after it where a line goes on.
      const [last] = entries(times.text(1e6)).at(-1) ?? [0];
      expect([stored, stored + 1]).toContain(last);
    }),
  );
});

it('times of a long build are fewer, and those that do not fit into a message too', () => {
  const times = new LogTimes();
  const hours = 20_000;
  for (let second = 0; second < hours; second++) times.push(bytes('line\n'), second * 1_000);
  const all = entries(times.text(1e6));
  expect(all.length).toBeGreaterThan(limits.logTimesMax / 2);
  expect(all.length).toBeLessThanOrEqual(limits.logTimesMax);
  const steps = new Set(all.slice(1).map(([, ms], at) => ms - (all[at]?.[1] ?? 0)));
  expect(steps).toEqual(new Set([16_000]));
  expect(all.every(([line, ms]) => line === ms / 1_000 + 1)).toBe(true);
  const few = times.text(100) ?? '';
  expect([few.length <= 100, entries(few).length > 3]).toEqual([true, true]);
  expect([times.text(2), times.text(-1), new LogTimes().text(9)]).toEqual([undefined, undefined, undefined]);
});

it.each([
  ['', []],
  ['1+0', [[1, 0]]],
  ['1+0  2+1', [[1, 0]]],
  ['1+0 0+5 1+1', [[1, 0]]],
  ['5+1000 -2+10', [[5, 1_000]]],
  ['5+1000 2+-10', [[5, 1_000]]],
  ['1+1e9', []],
  ['2+5x 1+1', []],
  ['1+0 123456789+1', [[1, 0]]],
  ['99999999+0', []],
  ['1+604800000 1+1', [[1, 604_800_000]]],
  ['1+604800001', []],
  ['[1,0]', []],
  ['1+1 '.repeat(10_000), []],
])('%.20j of a worker is read as far as it can be true', (text, expected) => {
  expect(entries(text)).toEqual(expected);
});

it.each([
  [999, '0:00'],
  [65_000, '1:05'],
  [3_723_999, '1:02:03'],
  [86_400_000, '24:00:00'],
])('%d ms are shown as %s', (ms, text) => expect(clockText(ms)).toBe(text));
