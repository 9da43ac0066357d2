import { assert } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';

/** Smaller blocks get memory of their own. */
const largeBytes = 64 * 1024;
/**
 * Bytes after which memory is reused. Of the bytes after a block at most two blocks are read ahead and two messages wait to
 * be sent; the rest is more than two windows of a stream, so the peer has received the block.
 */
const ringBytes = 8 * limits.meshWindowBytes;
assert(4 * largeBytes < limits.meshWindowBytes, 'a window holds several blocks of the ring');

/** A ring buffer for blocks that are read and sent in order: allocating 1 MiB costs more than encrypting it. */
export class Ring {
  #buffer: Uint8Array | undefined;
  #at = 0;

  readonly alloc = (size: number): Uint8Array => {
    if (size < largeBytes) return new Uint8Array(size);
    this.#buffer ??= new Uint8Array(ringBytes);
    if (this.#at + size > ringBytes) this.#at = 0;
    this.#at += size;
    return this.#buffer.subarray(this.#at - size, this.#at);
  };
}
