import type { Store } from '../../store/index.ts';
import { encodeCar } from '../../transfer/index.ts';

export type PublicTrees = ReturnType<typeof publicTrees>;

/** Trees and blocks of a store's public area, for a trustless gateway. */
export function publicTrees({ blocks }: Pick<Store, 'blocks'>) {
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
    /** A public block's verified bytes. */
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
