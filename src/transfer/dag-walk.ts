import type { CID } from 'multiformats/cid';
import { rawCode } from '../protocol/base/car.ts';
import { QuorateError } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';
import { transferLimits } from './limits.ts';

/** A block and its depth: the number of links from the tree's root to it. */
export interface Step {
  cid: CID;
  depth: number;
}

/** Key of a block: its digest, so that the same bytes under another codec are not sent twice. */
export const keyOf = ({ multihash }: CID): string => String.fromCharCode(...multihash.digest);

const notCorrect = 'The tree was not written by a correct tool; do not use it.';

/** The links of a block as steps, in order. @throws STORE_TREE_TOO_DEEP */
export function below({ cid, depth }: Step, links: readonly CID[]): Step[] {
  if (links.length > 0 && depth >= transferLimits.treeLevelsMax) {
    const says = `block ${cid} is over ${transferLimits.treeLevelsMax} links below the root`;
    throw new QuorateError('STORE_TREE_TOO_DEEP', says, { hint: notCorrect });
  }
  return links.map((link) => ({ cid: link, depth: depth + 1 }));
}

/** The order of blocks in an answer: depth first, links in their order, each block once (`order=dfs; dups=n` of a trustless gateway). */
export class Walk {
  /** In reverse order. */
  readonly #stack: Step[];
  readonly #seen = new Set<string>();

  constructor(roots: readonly Step[]) {
    this.#stack = [...roots].reverse();
  }

  /** The next block, which then counts as seen. */
  next(): Step | undefined {
    for (;;) {
      const step = this.#stack.pop();
      if (step === undefined) return undefined;
      const key = keyOf(step.cid);
      if (this.#seen.has(key)) continue;
      this.#seen.add(key);
      return step;
    }
  }

  /** Adds the links of the block that `next` gave. @throws STORE_TREE_TOO_DEEP, STORE_TREE_TOO_MANY_BLOCKS */
  enter(step: Step, links: readonly CID[]): void {
    // A block that is linked many times is sent once, but each link uses memory here.
    if (this.#stack.length + links.length > limits.treeBlocksMax) {
      const says = `the tree has over ${limits.treeBlocksMax} links open at once`;
      throw new QuorateError('STORE_TREE_TOO_MANY_BLOCKS', says, { hint: notCorrect });
    }
    for (const link of below(step, links).reverse()) this.#stack.push(link);
  }

  /** Puts back a step whose block did not arrive. */
  back(step: Step): void {
    this.#seen.delete(keyOf(step.cid));
    this.#stack.push(step);
  }

  /** Of the next `count` steps the blocks not seen yet. Ends after the first dag-pb block, whose links come after it. */
  ahead(count: number): CID[] {
    const found: CID[] = [];
    for (const { cid } of this.#stack.slice(-count).reverse()) {
      if (this.#seen.has(keyOf(cid))) continue;
      found.push(cid);
      if (cid.code !== rawCode) break;
    }
    return found;
  }

  /** Steps not taken yet, in reverse order. */
  rest(): Step[] {
    return this.#stack.filter(({ cid }) => !this.#seen.has(keyOf(cid)));
  }
}
