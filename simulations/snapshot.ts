import { MerkleTree } from '../src/core/transparency/index.ts';

/**
 * The state of a state machine as text: two with the same snapshot behave the same from there on. Without who is connected,
 * which a process forgets when it ends.
 */
export function snapshot(state: unknown): string {
  return JSON.stringify(state, (key, value: unknown) => {
    if (key === 'presence') return undefined;
    if (value instanceof MerkleTree) return { leaves: value.leaves(), root: value.root() };
    if (value instanceof Map) return { map: [...value] };
    if (value instanceof Set) return { set: [...value] };
    return value;
  });
}
