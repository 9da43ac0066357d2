import { bytesToHex } from '@noble/hashes/utils.js';
import { QuorateError } from '../base/errors.ts';
import { emptyRoot, hashLeaf, hashNode, splitOf } from './hash.ts';

const hashBytes = 32;

/** A list of sha256 hashes in one block of memory: as objects of their own they would take four times as much. */
export class HashList {
  #bytes = new Uint8Array(16 * hashBytes);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(hash: Uint8Array): void {
    const at = this.#size++ * hashBytes;
    if (at === this.#bytes.length) {
      const larger = new Uint8Array(2 * at);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(hash, at);
  }

  /** A view, not to be written to; undefined beyond the end. */
  at(index: number): Uint8Array | undefined {
    if (index < 0 || index >= this.#size) return undefined;
    return this.#bytes.subarray(index * hashBytes, (index + 1) * hashBytes);
  }
}

/**
 * The log: an append-only Merkle tree over lines of text (RFC 6962 §2.1), with proofs in hexadecimal. Keeps hashes of complete subtrees
 * (64 bytes a leaf): appending costs two hashes on average, a proof O(log² n).
 */
export class MerkleTree {
  readonly #lines: string[] = [];
  /** `#levels[k][i]`: hash over the leaves i·2^k … (i+1)·2^k − 1. */
  readonly #levels: HashList[] = [];

  constructor(lines: Iterable<string> = []) {
    for (const line of lines) this.append(line);
  }

  get size(): number {
    return this.#lines.length;
  }

  /** Returns the index of the new leaf. */
  append(leaf: string): number {
    this.#lines.push(leaf);
    let hash = hashLeaf(leaf);
    for (let k = 0; ; k++) {
      const level = this.#levels[k] ?? new HashList();
      this.#levels[k] = level;
      level.push(hash);
      const left = level.size % 2 === 0 ? level.at(level.size - 2) : undefined;
      if (left === undefined) break;
      hash = hashNode(left, hash);
    }
    return this.size - 1;
  }

  /** The leaves `from` … `to` − 1. Throws `LOG_OUT_OF_RANGE`. */
  leaves(from = 0, to = this.size): string[] {
    this.#check(0 <= from && from <= to && to <= this.size, `leaves ${from} to ${to}`);
    return this.#lines.slice(from, to);
  }

  /** The root over the first `size` leaves. Throws `LOG_OUT_OF_RANGE`. */
  root(size = this.size): string {
    this.#check(0 <= size && size <= this.size, `root at ${size}`);
    return bytesToHex(size === 0 ? emptyRoot : this.#hash(0, size));
  }

  /** The root over the first `from` leaves and the lines that follow them, which are not appended. Throws `LOG_OUT_OF_RANGE`. */
  rootWith(from: number, lines: readonly string[]): string {
    this.#check(0 <= from && from <= this.size, `root at ${from}`);
    // Hashes of complete subtrees from the left, each smaller than the one before it.
    const peaks: { leaves: number; hash: Uint8Array }[] = [];
    let start = 0;
    for (let leaves = 2 ** 32; leaves >= 1; leaves /= 2)
      if (start + leaves <= from) {
        peaks.push({ leaves, hash: this.#hash(start, leaves) });
        start += leaves;
      }
    for (const line of lines) {
      let last = { leaves: 1, hash: hashLeaf(line) };
      while (peaks.at(-1)?.leaves === last.leaves) {
        const left = peaks.pop();
        if (left !== undefined) last = { leaves: 2 * last.leaves, hash: hashNode(left.hash, last.hash) };
      }
      peaks.push(last);
    }
    const hashes = peaks.map(({ hash }) => hash);
    return bytesToHex(
      hashes.length === 0 ? emptyRoot : hashes.reduceRight((right, left) => hashNode(left, right)),
    );
  }

  /** Proof that leaf `index` is among the first `size`: sibling hashes, leaf to root. Throws `LOG_OUT_OF_RANGE`. */
  inclusion(index: number, size = this.size): string[] {
    this.#check(0 <= index && index < size && size <= this.size, `inclusion of ${index} in ${size}`);
    return this.#path(index, 0, size).map((hash) => bytesToHex(hash));
  }

  /** Proof that the first `to` leaves begin with the first `from`. Throws `LOG_OUT_OF_RANGE`. */
  consistency(from: number, to = this.size): string[] {
    this.#check(0 <= from && from <= to && to <= this.size, `consistency of ${from} with ${to}`);
    if (from === 0) return [];
    return this.#subproof(from, 0, to, true).map((hash) => bytesToHex(hash));
  }

  #check(ok: boolean, what: string): void {
    if (!ok) throw new QuorateError('LOG_OUT_OF_RANGE', `the log has ${this.size} leaves; asked for ${what}`);
  }

  /** MTH over `n` leaves from `start`, where `start` is a multiple of the power of two at or above `n`. */
  #hash(start: number, n: number): Uint8Array {
    const k = Math.log2(n);
    const kept = Number.isInteger(k) ? this.#levels[k]?.at(start / n) : undefined;
    if (kept !== undefined) return kept;
    const split = splitOf(n);
    return hashNode(this.#hash(start, split), this.#hash(start + split, n - split));
  }

  #path(index: number, start: number, n: number): Uint8Array[] {
    if (n === 1) return [];
    const split = splitOf(n);
    return index < split
      ? [...this.#path(index, start, split), this.#hash(start + split, n - split)]
      : [...this.#path(index - split, start + split, n - split), this.#hash(start, split)];
  }

  #subproof(m: number, start: number, n: number, whole: boolean): Uint8Array[] {
    if (m === n) return whole ? [] : [this.#hash(start, n)];
    const split = splitOf(n);
    return m <= split
      ? [...this.#subproof(m, start, split, whole), this.#hash(start + split, n - split)]
      : [...this.#subproof(m - split, start + split, n - split, false), this.#hash(start, split)];
  }
}
