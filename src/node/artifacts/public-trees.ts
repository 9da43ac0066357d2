import type { Store } from '../../store/index.ts';
import { encodeCar } from '../../transfer/index.ts';

/** Trees and blocks of a store's public area, for a trustless gateway. */
export interface PublicTrees {
  /** A public block's verified bytes. */
  block(cid: string): Promise<Uint8Array | undefined>;
  /** A public tree as one CARv1, depth first; undefined where its root is not here. It breaks off at a block that is not. */
  tree(cid: string): AsyncIterable<Uint8Array> | undefined;
}

export function publicTrees({ blocks }: Pick<Store, 'blocks'>): PublicTrees {
  /** Undefined for a block that is not there, or that no tree of ours has. */
  const here = (text: string) => {
    try {
      const cid = blocks.parse(text);
      return blocks.touch(cid) === undefined ? undefined : cid;
    } catch {
      return undefined;
    }
  };
  return {
    async block(text) {
      const cid = here(text);
      return cid === undefined ? undefined : blocks.read(cid);
    },
    tree(text) {
      const cid = here(text);
      return cid === undefined ? undefined : encodeCar(blocks, [cid]);
    },
  };
}
