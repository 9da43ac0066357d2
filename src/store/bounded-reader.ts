import type { CID } from 'multiformats/cid';
import { QuorateError } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';
import type { BlockReader } from './nodes.ts';

/** Bytes that one comparison may read of a tree: its folders and files twice. */
const bounds = { blocks: 2 * limits.treeBlocksMax, bytes: 2 * limits.treeBytesMax };

/**
 * Reads blocks up to a number of them and of bytes. Blocks may be shared: a file of a few blocks can have more bytes, and more
 * parts of one byte, than anybody can wait for.
 */
export class BoundedReader implements BlockReader {
  readonly #blocks: BlockReader;
  #left: { blocks: number; bytes: number };

  constructor(blocks: BlockReader, max = bounds) {
    this.#blocks = blocks;
    this.#left = { ...max };
  }

  /** @throws STORE_TREE_TOO_LARGE, and as the reader of the store */
  async read(cid: CID, alloc?: (size: number) => Uint8Array): Promise<Uint8Array> {
    this.#take('blocks', 1);
    const bytes = await this.#blocks.read(cid, alloc);
    this.#take('bytes', bytes.length);
    return bytes;
  }

  size(cid: CID): number | undefined | Promise<number | undefined> {
    return this.#blocks.size(cid);
  }

  #take(what: 'blocks' | 'bytes', count: number): void {
    this.#left[what] -= count;
    if (this.#left[what] >= 0) return;
    throw new QuorateError(
      'STORE_TREE_TOO_LARGE',
      `more ${what} of the tree would have to be read than a tree may have`,
      { hint: 'The tree was made to take long; do not use it.' },
    );
  }
}
