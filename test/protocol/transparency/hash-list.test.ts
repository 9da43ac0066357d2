import { expect, it } from 'vitest';
import { HashList } from '../../../src/protocol/transparency/merkle.ts';

it('a list of hashes gives back each that was pushed, and nothing beside them', () => {
  const hashes = new HashList();
  for (let n = 0; n < 70; n += 1) {
    hashes.push(new Uint8Array(32).fill(n));
    expect([hashes.size, hashes.at(n)?.[31], hashes.at(n + 1), hashes.at(-1)]).toEqual([
      n + 1,
      n,
      undefined,
      undefined,
    ]);
  }
  expect(Array.from({ length: 70 }, (_, n) => hashes.at(n)?.[0])).toEqual([...Array(70).keys()]);
  expect(hashes.at(5)).toHaveLength(32);
});
