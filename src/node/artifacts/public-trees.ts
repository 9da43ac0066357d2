import { LongWork, type Store, type TellNode, tellingNodes } from '../../store/index.ts';
import { encodeCar } from '../../transfer/index.ts';
import { artifactLimits } from './limits.ts';

export type PublicTrees = ReturnType<typeof publicTrees>;

/**
 * Trees of a store's public area and their blocks, for a trustless gateway. `isShown`: by its root, whether a tree is for anybody. Other
 * trees, as somebody named them or as they were revoked, go to peers that ask for their CID, and to no web page.
 */
export function publicTrees({ blocks }: Pick<Store, 'blocks'>, isShown: (root: string) => boolean) {
  const sent = new SentLinks();
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
      const root = isShown(text) ? text : sent.rootOf(text);
      const cid = root !== undefined && isShown(root) ? here(text) : undefined;
      if (root === undefined || cid === undefined) return undefined;
      const bytes = await tellingNodes(blocks, nodes)(cid);
      const slices = new LongWork();
      const links: string[] = [];
      for (const link of blocks.links(cid, bytes)) {
        links.push(link.toString());
        if (slices.isOver) await slices.next();
      }
      if (links.length > 0) sent.add(text, root, links);
      return { root, bytes };
    },
    /** A public tree as one CARv1, depth first; undefined where its root is not here. It breaks off at a block that is not. */
    tree(text: string, nodes: TellNode = () => {}): AsyncIterable<Uint8Array> | undefined {
      const cid = isShown(text) ? here(text) : undefined;
      return cid && encodeCar({ read: tellingNodes(blocks, nodes), links: blocks.links }, [cid]);
    },
  };
}

/** Links of blocks that were sent. The block whose links were followed least lately goes first, with all of them, and after those below it. */
class SentLinks {
  readonly #sent = new Map<string, { root: string; links: readonly string[] }>();
  /** The block that links to this one. */
  readonly #above = new Map<string, string>();
  #count = 0;

  /** Root of the tree in which a block was sent that links to this one. */
  rootOf(text: string): string | undefined {
    const above = this.#above.get(text);
    for (let at = above; at !== undefined; at = this.#above.get(at)) {
      const found = this.#sent.get(at);
      if (found === undefined) break;
      this.#sent.delete(at);
      this.#sent.set(at, found);
    }
    return above && this.#sent.get(above)?.root;
  }

  add(text: string, root: string, links: readonly string[]): void {
    this.#drop(text);
    this.#sent.set(text, { root, links });
    this.#count += links.length;
    for (const link of links) this.#above.set(link, text);
    for (const oldest of this.#sent.keys()) {
      if (this.#count <= artifactLimits.linksSentMax) return;
      this.#drop(oldest);
    }
  }

  #drop(text: string): void {
    const { links = [] } = this.#sent.get(text) ?? {};
    this.#sent.delete(text);
    this.#count -= links.length;
    for (const link of links) if (this.#above.get(link) === text) this.#above.delete(link);
  }
}
