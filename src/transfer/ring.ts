import { limits } from '../core/limits.ts';

/** Smaller blocks are cheaper to leave to the collector. */
const largeBytes = 64 * 1024;
/**
 * A place is used again after about this many later bytes. Of those at most two blocks are read ahead and two messages
 * wait to be sent; the rest, over two windows of a stream, has left, so the peer has taken what lay there before.
 */
const ringBytes = 8 * limits.meshWindowBytes;

/** Memory for blocks that are read and sent in order: a fresh megabyte for each costs more than to encrypt it. */
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
