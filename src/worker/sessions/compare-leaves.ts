import type { EquivocationEvidence } from '../../protocol/documents/index.ts';
import { MerkleTree } from '../../protocol/transparency/index.ts';

/** A checkpoint and the leaves under it. */
export interface LeavesUnder {
  note: string;
  size: number;
  root: string;
  leaves: readonly string[];
}

/**
 * Evidence from two logs of one key whose leaves are both at hand: the first index at which they differ. Undefined where the
 * leaves are not those under the checkpoints, or one log begins with the other.
 */
export function evidenceOfLeaves(
  charter: string,
  first: LeavesUnder,
  second: LeavesUnder,
): EquivocationEvidence | undefined {
  const [one, two] = [new MerkleTree(first.leaves), new MerkleTree(second.leaves)];
  const isUnder = (tree: MerkleTree, { size, root }: LeavesUnder) =>
    tree.size === size && tree.root() === root;
  if (!isUnder(one, first) || !isUnder(two, second)) return undefined;
  const least = Math.min(first.size, second.size);
  for (let index = 0; index < least; index++) {
    const [a = '', b = ''] = [first.leaves[index], second.leaves[index]];
    if (a === b) continue;
    return {
      v: 1,
      kind: 'leaves',
      charter,
      index,
      entries: [
        { checkpoint: first.note, leaf: a, path: one.inclusion(index) },
        { checkpoint: second.note, leaf: b, path: two.inclusion(index) },
      ],
    };
  }
  return undefined;
}
