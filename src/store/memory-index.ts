import type { AreaIndex, Place, Row } from './block-index.ts';

/** The index of a sealed area: its few blocks are found in its packs each time it is opened. */
export class MemoryIndex implements AreaIndex {
  readonly #rows = new Map<string, Row>();
  readonly #ends = new Map<number, number>();

  find(digest: Uint8Array): Row | undefined {
    return this.#rows.get(keyOf(digest));
  }

  add(row: Row): void {
    this.#rows.set(keyOf(row.digest), row);
  }

  touch(digest: Uint8Array, used: number): boolean {
    const row = this.find(digest);
    if (row !== undefined) row.used = used;
    return row !== undefined;
  }

  remove(digest: Uint8Array, { pack, at }: Place): void {
    const row = this.find(digest);
    if (row?.pack === pack && row.at === at) this.#rows.delete(keyOf(digest));
  }

  rows(pack?: number): Row[] {
    return [...this.#rows.values()]
      .filter((row) => pack === undefined || row.pack === pack)
      .sort((a, b) => a.pack - b.pack || a.at - b.at);
  }

  packs(): Map<number, number> {
    return new Map(this.#ends);
  }

  setEnd(pack: number, end: number): void {
    this.#ends.set(pack, end);
  }

  dropPack(pack: number, from = 0): void {
    for (const [key, row] of this.#rows)
      if (row.pack === pack && row.at + row.size > from) this.#rows.delete(key);
    if (from === 0) this.#ends.delete(pack);
    else this.#ends.set(pack, from);
  }

  commit(): void {}

  close(): void {
    this.#rows.clear();
  }
}

const keyOf = (digest: Uint8Array): string =>
  Buffer.from(digest.buffer, digest.byteOffset, digest.length).toString('latin1');
