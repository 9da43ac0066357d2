import { MerkleTree } from '../src/protocol/transparency/index.ts';

/** Maps of runs in the order in which their bundles were stored. */
const byStored = ['finished', 'bundles'];

/**
 * The state of a state machine as text: two with the same snapshot behave the same from there on. Without who is connected,
 * which a process forgets when it ends, and without the order in which bundles of finished runs were stored: one that is lost is
 * stored again.
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
