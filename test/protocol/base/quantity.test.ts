import { expect, it } from 'vitest';
import { capitalised, counted, duration, sizeText, sizeTexts } from '../../../src/protocol/base/quantity.ts';

const GiB = 2 ** 30;

it('sizes are in the unit a person would use', () => {
  expect([0, 512, 1536, 2 * GiB, 23.54 * GiB].map(sizeText)).toEqual([
    '0 B',
    '512 B',
    '1.5 KiB',
    '2 GiB',
    '24 GiB',
  ]);
});

it.each([
  [1023, '1023 B'],
  [1024, '1 KiB'],
  [9.9 * 1024, '9.9 KiB'],
  [10 * 1024, '10 KiB'],
  [10.4 * 1024, '10 KiB'],
  [1.5, '2 B'],
  [2 ** 40, '1 TiB'],
  [2 ** 50, '1024 TiB'],
])('a size of %d is %s', (bytes, text) => expect(sizeText(bytes)).toBe(text));

it.each([
  [-1, '0 ms'],
  [999, '999 ms'],
  [1_000, '1.0 s'],
  [9_999, '9.9 s'],
  [10_000, '10 s'],
  [59_999, '59 s'],
  [60_000, '1 min'],
  [61_000, '1 min 1 s'],
  [3_599_000, '59 min 59 s'],
  [3_600_000, '1 h'],
  [86_340_000, '23 h 59 min'],
  [86_400_000, '1 d'],
  [97_200_000, '1 d 3 h'],
])('%d ms are %s', (ms, text) => expect(duration(ms)).toBe(text));

it.each([
  [4 * GiB, 2 * GiB, ['4 GiB', '2 GiB']],
  [4 * GiB, 4 * GiB - 1, ['4 GiB', '3 GiB']],
  [24 * GiB, 23.6 * GiB, ['24 GiB', '23 GiB']],
  [2049 * 2 ** 20, 2048 * 2 ** 20, ['2049 MiB', '2048 MiB']],
  [1025, 1024, ['1025 B', '1024 B']],
  [GiB, GiB, ['1 GiB', '1 GiB']],
])('two sizes that differ (%d, %d) read differently', (one, other, texts) => {
  expect(sizeTexts(one, other)).toEqual(texts);
});

it('one is no plural', () => {
  expect([counted(1, 'job'), counted(2, 'job'), counted(0, 'job')]).toEqual(['1 job', '2 jobs', '0 jobs']);
});

it.each([
  ['the trusted worker looks', 'The trusted worker looks'],
  ['cancelled: by its owner', 'Cancelled: by its owner'],
  ['bafybeib3…mnpe is asked for', 'bafybeib3…mnpe is asked for'],
  ['src/main.c differs', 'src/main.c differs'],
  ['', ''],
])('the sentence of %j begins as %j', (text, says) => expect(capitalised(text)).toBe(says));
