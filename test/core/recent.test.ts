import { expect, it } from 'vitest';
import { Recent } from '../../src/core/recent.ts';

it('holds so many values, and gives up the oldest', () => {
  const recent = new Recent<number>(3);
  const all = () => ['a', 'b', 'c', 'd'].map((key) => recent.get(key));
  for (const [n, key] of ['a', 'b', 'c', 'a'].entries()) recent.put(key, n);
  expect(all()).toEqual([3, 1, 2, undefined]);
  recent.put('d', 4);
  expect(all()).toEqual([undefined, 1, 2, 4]);
});
