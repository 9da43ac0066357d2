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
