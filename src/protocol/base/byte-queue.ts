import { assert } from './errors.ts';

/** Smaller pieces are copied together: kept alone, one byte costs hundreds. */
const smallBytes = 512;
const blockBytes = 16 * 1024;

/** Bytes that arrive in pieces and are taken from the front. Small pieces are copied together, so that they cost no more than their bytes. */
export class ByteQueue {
  #parts: Uint8Array[] = [];
  #length = 0;
  /** Where small pieces are copied to, and how much of it is used. */
  #block: Uint8Array = new Uint8Array();
  #used = 0;
  /** The last part, where there is one, is the end of what is used in the block. */
  #grows = false;

  /** Bytes that are there. */
  get length(): number {
    return this.#length;
  }

  push(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#length += piece.length;
    if (piece.length >= smallBytes) {
      this.#parts.push(piece);
      this.#grows = false;
      return;
    }
    if (this.#used + piece.length > this.#block.length) {
      this.#block = new Uint8Array(blockBytes);
      this.#used = 0;
      this.#grows = false;
    }
    this.#block.set(piece, this.#used);
    this.#used += piece.length;
    const last = this.#grows ? this.#parts.pop() : undefined;
    this.#parts.push(this.#block.subarray(this.#used - piece.length - (last?.length ?? 0), this.#used));
    this.#grows = true;
  }

  /** Up to `count` bytes from the front, which stay; fewer where there are no more. */
  peek(count: number): Uint8Array {
    const [first] = this.#parts;
    if (first === undefined || first.length >= count || this.#parts.length === 1)
      return first ?? new Uint8Array();
    const out = new Uint8Array(Math.min(count, this.#length));
    this.#fill(out);
    return out;
  }

  /** The first `count` bytes, which must be there. May share memory with what was pushed. */
  take(count: number): Uint8Array {
    const [first] = this.#parts;
    if (first !== undefined && first.length >= count) {
      this.#drop(count);
      return first.subarray(0, count);
    }
    const out = new Uint8Array(count);
    this.takeInto(out);
    return out;
  }

  /** As many of the first bytes as `out` has, which must be there. */
  takeInto(out: Uint8Array): void {
    assert(this.#length >= out.length, 'what is taken has arrived');
    this.#fill(out);
    this.#drop(out.length);
  }

  clear(): void {
    this.#parts = [];
    this.#length = 0;
  }

  #fill(out: Uint8Array): void {
    let filled = 0;
    for (const part of this.#parts) {
      if (filled === out.length) return;
      const piece = part.subarray(0, out.length - filled);
      out.set(piece, filled);
      filled += piece.length;
    }
  }

  #drop(count: number): void {
    let left = count;
    let whole = 0;
    for (const part of this.#parts) {
      if (part.length > left) {
        this.#parts[whole] = part.subarray(left);
        break;
      }
      left -= part.length;
      whole += 1;
    }
    this.#parts.splice(0, whole);
    this.#length -= count;
  }
}
