import type { Store } from '../../store/index.ts';
import { encodeCar } from '../../transfer/index.ts';

export type PublicTrees = ReturnType<typeof publicTrees>;

/**
 * Trees of a store's public area and their first blocks, for a trustless gateway. `isShown`: by its root, whether a tree is for anybody.
 * Other trees, as somebody named them or as they were revoked, go to peers that ask for their CID, and to no web page.
 */
export function publicTrees({ blocks }: Pick<Store, 'blocks'>, isShown: (root: string) => boolean) {
  const here = (text: string) => {
    if (!isShown(text)) return undefined;
    try {
      const cid = blocks.parse(text);
      return blocks.touch(cid) === undefined ? undefined : cid;
    } catch {
      return undefined;
    }
  };
  return {
    /** The verified bytes of a tree's first block. */
    async block(text: string): Promise<Uint8Array | undefined> {
      const cid = here(text);
      return cid && blocks.read(cid);
    },
    /** A public tree as one CARv1, depth first; undefined where its root is not here. It breaks off at a block that is not. */
    tree(text: string): AsyncIterable<Uint8Array> | undefined {
      const cid = here(text);
      return cid && encodeCar(blocks, [cid]);
    },
  };
}
