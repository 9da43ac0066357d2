import type { CID } from 'multiformats/cid';
import { rawCode } from '../core/car.ts';
import { QuorateError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { sizeText } from '../core/quantity.ts';
import { below, keyOf, type Step } from './dag-walk.ts';
import type { VerifiedBlock } from './decode.ts';
import type { BlockSink, FetchOptions } from './types.ts';

const linked = 0;
const here = 1;

/** What of one tree is here, what is still to be asked for, and the bounds of both. */
export class FetchState {
  readonly #root: CID;
  readonly #sink: BlockSink;
  readonly #options: FetchOptions;
  /** Every block a verified one links to: linked only, or here. */
  readonly #known = new Map<string, typeof linked | typeof here>();
  /** Not here and asked of nobody, the next last. */
  readonly #todo: Step[] = [];
  readonly #waiting = new Set<string>();
  bytes = 0;
  blocks = 0;

  constructor(root: CID, sink: BlockSink, options: FetchOptions) {
    this.#root = root;
    this.#sink = sink;
    this.#options = options;
    this.#known.set(keyOf(root), linked);
    this.want([{ cid: root, depth: 0 }]);
  }

  /** How many blocks wait to be asked for; each may stand for everything below it. */
  get waiting(): number {
    return this.#todo.length;
  }

  /** Has blocks asked for, the last one first. */
  want(steps: readonly Step[]): void {
    for (const step of steps) {
      const key = keyOf(step.cid);
      if (this.#known.get(key) === here || this.#waiting.has(key)) continue;
      this.#waiting.add(key);
      this.#todo.push(step);
    }
  }

  /**
   * Takes up to `count` blocks that are not here, in order. Those that are, from an earlier try or another tree, are
   * walked through. @throws STORE_TREE_TOO_LARGE, STORE_TREE_TOO_MANY, STORE_TREE_TOO_DEEP and what `links` throws
   */
  async take(count: number): Promise<Step[]> {
    const taken: Step[] = [];
    while (taken.length < count) {
      const step = this.#todo.pop();
      if (step === undefined) break;
      const { cid } = step;
      this.#waiting.delete(keyOf(cid));
      const size = this.#sink.touch(cid);
      if (size === undefined) {
        taken.push(step);
        continue;
      }
      const links = cid.code === rawCode ? [] : this.#sink.links(cid, await this.#sink.read(cid));
      this.#count(cid, size, links);
      this.want(below(step, links).reverse());
    }
    return taken;
  }

  /** Takes a block that came. True when it is new. @throws STORE_TREE_TOO_LARGE, STORE_TREE_TOO_MANY */
  async arrived({ cid, bytes, links }: VerifiedBlock): Promise<boolean> {
    const isNew = this.#known.get(keyOf(cid)) !== here;
    if (isNew) this.#count(cid, bytes.length, links);
    await this.#sink.put(cid, bytes);
    return isNew;
  }

  #count(cid: CID, bytes: number, links: readonly CID[]): void {
    const maxBytes = this.#options.maxBytes ?? limits.treeBytesMax;
    const maxBlocks = this.#options.maxBlocks ?? limits.treeBlocksMax;
    this.#known.set(keyOf(cid), here);
    this.blocks += 1;
    this.bytes += bytes;
    if (this.bytes > maxBytes) {
      throw new QuorateError('STORE_TREE_TOO_LARGE', `the tree ${this.#root} is over ${sizeText(maxBytes)}`, {
        hint: 'Raise the limit if you expected a tree of this size.',
      });
    }
    for (const link of links) {
      const key = keyOf(link);
      if (!this.#known.has(key)) this.#known.set(key, linked);
    }
    if (this.#known.size > maxBlocks) {
      throw new QuorateError('STORE_TREE_TOO_MANY', `the tree ${this.#root} has over ${maxBlocks} blocks`, {
        hint: 'Raise the limit if you expected a tree of this size.',
      });
    }
    this.#options.onProgress?.(this.bytes);
  }
}
