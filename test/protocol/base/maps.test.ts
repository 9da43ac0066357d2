import { expect, it } from 'vitest';
import { Recent } from '../../../src/protocol/base/maps.ts';

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
