import { expect, it } from 'vitest';
import { counted, sizeText, sizeTexts } from '../../src/core/quantity.ts';

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
