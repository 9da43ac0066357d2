import { MerkleTree } from '../src/protocol/transparency/index.ts';

/** Maps of runs in the order in which their bundles were stored. */
const byStored = ['finished', 'bundles'];

/**
 * The state of a machine as text: equal snapshots behave the same. Without presence, which a process forgets, and without the
 * order of stored bundles, since a lost one is stored again.
 */
export function snapshot(state: unknown): string {
  return JSON.stringify(state, (key, value: unknown) => {
    if (key === 'presence') return undefined;
    if (value instanceof MerkleTree) return { leaves: value.leaves(), root: value.root() };
    if (value instanceof Map) {
      const entries = [...value];
      return { map: byStored.includes(key) ? entries.sort(([a], [b]) => (a < b ? -1 : 1)) : entries };
    }
    if (value instanceof Set) return { set: [...value] };
    return value;
  });
}
