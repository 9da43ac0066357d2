import { expect, it } from 'vitest';
import { MemoryIndex } from '../../src/store/memory-index.ts';

const row = (name: number, pack: number, at: number) => ({
  digest: new Uint8Array(32).fill(name),
  codec: 0x55,
  pack,
  at,
  size: 10,
  used: name,
});

it('an index in memory gives its rows in the order of packs and places', () => {
  const index = new MemoryIndex();
  const [a, b, c, d] = [row(1, 2, 50), row(2, 1, 90), row(3, 2, 10), row(4, 1, 20)];
  for (const one of [a, b, c, d]) index.add(one);
  expect(index.rows()).toEqual([d, b, c, a]);
  expect(index.rows(2)).toEqual([c, a]);
  expect(index.touch(a.digest, 99)).toBe(true);
  expect(index.find(a.digest)?.used).toBe(99);
  expect(index.touch(new Uint8Array(32).fill(9), 99)).toBe(false);
});

it('an index in memory forgets a block of a place, and the end of a pack', () => {
  const index = new MemoryIndex();
  const [a, b, c] = [row(1, 1, 10), row(2, 1, 20), row(3, 2, 10)];
  for (const one of [a, b, c]) index.add(one);
  index.setEnd(1, 30);
  index.setEnd(2, 20);
  index.remove(a.digest, { pack: 1, at: 11, size: 10 });
  index.remove(a.digest, { pack: 2, at: 10, size: 10 });
  expect(index.rows()).toHaveLength(3);
  index.remove(a.digest, a);
  expect(index.rows()).toEqual([b, c]);
  index.dropPack(1, 30);
  expect(index.rows(1)).toEqual([b]);
  // A block that does not end before it is incomplete.
  index.dropPack(1, 29);
  expect(index.rows(1)).toEqual([]);
  expect(index.packs()).toEqual(
    new Map([
      [1, 29],
      [2, 20],
    ]),
  );
  index.dropPack(2);
  expect(index.packs()).toEqual(new Map([[1, 29]]));
  expect(index.rows()).toEqual([]);
});
