import { expect, it } from 'vitest';
import type { Mesh } from '../../../src/mesh/index.ts';
import { findHolders } from '../../../src/store-node/node/keeper.ts';

/** A node that finds these announcers, then fails where `broken`, and these peers by their ids. */
function mesh(announcers: string[], known: string[], broken = false): Mesh {
  return {
    id: 'self',
    async *findProviders() {
      for (const id of announcers) yield { id, addrs: [`/${id}`] };
      if (broken) throw new Error('the search was ended');
    },
    findPeer: async (id: string) => (known.includes(id) ? [`/${id}`] : Promise.reject(new Error('unknown'))),
  } as unknown as Mesh;
}
const { signal } = new AbortController();
const idsOf = async (of: Promise<{ id: string }[]>) => (await of).map(({ id }) => id).sort();

it('holders of a tree are those that announce it and those that are named, but not this node', async () => {
  const both = mesh(['a', 'self'], ['b']);
  expect(await idsOf(findHolders(both, 'tree', ['b', 'c'], signal))).toEqual(['a', 'b']);
  expect(await idsOf(findHolders(mesh(['a'], [], true), 'tree', [], signal))).toEqual(['a']);
  expect(await idsOf(findHolders(mesh([], []), 'tree', ['b'], signal))).toEqual([]);
});

it('of those that are named eight are looked for', async () => {
  const named = Array.from({ length: 9 }, (_, n) => `n${n}`);
  expect(await idsOf(findHolders(mesh([], named), 'tree', named, signal))).toEqual(named.slice(0, 8));
});

it('a search that its caller ends fails with its reason', async () => {
  const reason = new Error('enough');
  await expect(findHolders(mesh(['a'], []), 'tree', [], AbortSignal.abort(reason))).rejects.toBe(reason);
});
