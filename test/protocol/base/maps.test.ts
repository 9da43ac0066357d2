import { expect, it } from 'vitest';
import { Counts, keepNewest, Recent } from '../../../src/protocol/base/maps.ts';

it('makes a value once, holds so many, and gives up the oldest', () => {
  const made: string[] = [];
  const recent = new Recent<string>(3);
  const of = (...keys: string[]) => keys.map((key) => recent.of(key, (one) => `${one}${made.push(one)}`));
  expect(of('a', 'b', 'c', 'a', 'c')).toEqual(['a1', 'b2', 'c3', 'a1', 'c3']);
  expect(of('d', 'b', 'c')).toEqual(['d4', 'b2', 'c3']);
  expect(of('a', 'c', 'd', 'b')).toEqual(['a5', 'c3', 'd4', 'b6']);
  expect(() =>
    recent.of('e', () => {
      throw new Error('none');
    }),
  ).toThrow('none');
  expect(of('a', 'd', 'b')).toEqual(['a5', 'd4', 'b6']);
});

it('the oldest key is looked for only where there are too many', () => {
  let looks = 0;
  class Watched extends Map<string, number> {
    override keys() {
      looks++;
      return super.keys();
    }
  }
  const held = new Watched();
  for (const key of ['a', 'b', 'a', 'b', 'a']) keepNewest(held, key, looks, 2);
  expect(looks).toBe(0);
  keepNewest(held, 'c', looks, 2);
  expect([looks, ...held.keys()]).toEqual([1, 'a', 'c']);
});

it('counts are kept by key and in all, and of keys that have any only', () => {
  const counts = new Counts();
  for (const key of ['a', 'a', 'b']) counts.add(key, 1);
  expect([counts.of('a'), counts.of('b'), counts.of('c'), counts.total, counts.size]).toEqual([
    2, 1, 0, 3, 2,
  ]);
  for (const key of ['b', 'a']) counts.add(key, -1);
  expect([counts.of('a'), counts.of('b'), counts.total, counts.size]).toEqual([1, 0, 1, 1]);
});
