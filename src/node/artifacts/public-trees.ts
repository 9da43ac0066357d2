import { keepNewest } from '../../protocol/base/maps.ts';
import { LongWork, type Store, type TellNode, tellingNodes } from '../../store/index.ts';
import { encodeCar } from '../../transfer/index.ts';
import { artifactLimits } from './limits.ts';

export type PublicTrees = ReturnType<typeof publicTrees>;

/**
 * Trees of a store's public area and their blocks, for a trustless gateway. `isShown`: by its root, whether a tree is for anybody. Other
 * trees, as somebody named them or as they were revoked, go to peers that ask for their CID, and to no web page.
 */
export function publicTrees({ blocks }: Pick<Store, 'blocks'>, isShown: (root: string) => boolean) {
  /** Root of the tree in which a block was sent that links to this one. */
  const linked = new Map<string, string>();
  const here = (text: string) => {
    try {
      const cid = blocks.parse(text);
      return blocks.touch(cid) === undefined ? undefined : cid;
    } catch {
      return undefined;
    }
  };
  return {
    /**
     * The verified bytes of a block, and the root of its tree: of the first block of a tree, or of one below a block that was sent before.
     * Clients come from above: these are all that they ask for (https://github.com/ipfs/helia, `trustless-gateway-client`).
     */
    async block(
      text: string,
      nodes: TellNode = () => {},
    ): Promise<{ root: string; bytes: Uint8Array } | undefined> {
      const root = isShown(text) ? text : linked.get(text);
      const cid = root !== undefined && isShown(root) ? here(text) : undefined;
      if (root === undefined || cid === undefined) return undefined;
      const bytes = await tellingNodes(blocks, nodes)(cid);
      const slices = new LongWork();
      for (const link of blocks.links(cid, bytes)) {
        keepNewest(linked, link.toString(), root, artifactLimits.linksSentMax);
        if (slices.isOver) await slices.next();
      }
      return { root, bytes };
    },
    /** A public tree as one CARv1, depth first; undefined where its root is not here. It breaks off at a block that is not. */
    tree(text: string, nodes: TellNode = () => {}): AsyncIterable<Uint8Array> | undefined {
      const cid = isShown(text) ? here(text) : undefined;
      return cid && encodeCar({ read: tellingNodes(blocks, nodes), links: blocks.links }, [cid]);
    },
  };
}
