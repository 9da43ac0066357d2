import type { CID } from 'multiformats/cid';
import { rawCode } from '../protocol/base/car.ts';
import { type ErrorCode, QuorateError } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';
import { sizeText } from '../protocol/base/quantity.ts';
import { below, keyOf, type Step } from './dag-walk.ts';
import type { VerifiedBlock } from './decode.ts';
import type { BlockSink, FetchOptions } from './types.ts';

const linked = 0;
const here = 1;

/** The state of fetching one tree: blocks that are here, blocks to request, and the limits of both. */
export class FetchState {
  readonly #root: CID;
  readonly #sink: BlockSink;
  readonly #options: FetchOptions;
  /** The root and each block that a verified block links to: `linked` only, or `here`. */
  readonly #known = new Map<string, typeof linked | typeof here>();
  /** Blocks to request, in reverse order. */
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

  /** Number of blocks to request. Each may be the root of a subtree. */
  get waiting(): number {
    return this.#todo.length;
  }

  /** Adds blocks to request, the last one first. */
  want(steps: readonly Step[]): void {
    for (const step of steps) {
      const key = keyOf(step.cid);
      if (this.#known.get(key) === here || this.#waiting.has(key)) continue;
      this.#waiting.add(key);
      this.#todo.push(step);
    }
  }

  /**
   * Takes up to `count` blocks that are not here, in order; of blocks that are here it continues with their links. @throws
   * STORE_TREE_TOO_LARGE, STORE_TREE_TOO_MANY_BLOCKS, STORE_TREE_TOO_DEEP and as `links`
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

  /** Adds a block that arrived. True when it is new. @throws STORE_TREE_TOO_LARGE, STORE_TREE_TOO_MANY_BLOCKS */
  async arrived({ cid, bytes, links }: VerifiedBlock): Promise<boolean> {
    const isNew = this.#known.get(keyOf(cid)) !== here;
    if (isNew) this.#count(cid, bytes.length, links);
    await this.#sink.put(cid, bytes);
    return isNew;
  }

  #count(cid: CID, bytes: number, links: readonly CID[]): void {
    const maxBytes = this.#options.maxBytes ?? limits.treeBytesMax;
    const { treeBlocksMax: maxBlocks } = limits;
    this.#known.set(keyOf(cid), here);
    this.blocks += 1;
    this.bytes += bytes;
    const tooLarge = (code: ErrorCode, says: string): QuorateError =>
      new QuorateError(code, `the tree ${this.#root} ${says}`, {
        hint: 'Ask who made it for fewer or smaller files, or give the job that uses it more disk.',
      });
    if (this.bytes > maxBytes) throw tooLarge('STORE_TREE_TOO_LARGE', `is over ${sizeText(maxBytes)}`);
    for (const link of links) {
      const key = keyOf(link);
      if (!this.#known.has(key)) this.#known.set(key, linked);
    }
    if (this.#known.size > maxBlocks)
      throw tooLarge('STORE_TREE_TOO_MANY_BLOCKS', `has over ${maxBlocks} blocks`);
    this.#options.onProgress?.(this.bytes);
  }
}
