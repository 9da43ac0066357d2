import { expect, it } from 'vitest';
import { Counts } from '../../src/mesh/counts.ts';

it('counts are kept by key and in all, and of keys that have any only', () => {
  const counts = new Counts();
  for (const key of ['a', 'a', 'b']) counts.add(key, 1);
  expect([counts.of('a'), counts.of('b'), counts.of('c'), counts.total, counts.size]).toEqual([
    2, 1, 0, 3, 2,
  ]);
  for (const key of ['b', 'a']) counts.add(key, -1);
  expect([counts.of('a'), counts.of('b'), counts.total, counts.size]).toEqual([1, 0, 1, 1]);
});
