import { describe, it } from 'vitest';
import { expectClean } from './seeds.ts';

/** Seeds that once failed, and what was wrong. (A change of how seeds are drawn makes them mean something else.) */
const once: [string, number[]][] = [
  [
    'a worker whose ack was lost with its stream was told of the reveal first, and held its lease for ever',
    [46, 49, 205],
  ],
  ['a trusted worker whose ack was lost was shown the evidence first, and refused to sign', [231]],
  ['operators agreed on a tree and not on its files, and got a verdict nobody could check', [22, 43, 202]],
  ['a contradiction that came while the bytes were fetched was drafted as trusted', [26, 187, 213]],
  ['a trusted worker that lost its lease after the reveal found its offer closed', [14, 62, 246]],
  ['a request expired while a round was sealed, and its workers were never let go', [86, 221, 250]],
];

describe('what once failed', () => {
  it.each(once)('%s', { timeout: 300_000 }, async (_, seeds) => {
    await expectClean(seeds);
  });
});
