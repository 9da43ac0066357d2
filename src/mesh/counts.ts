/** Counts by key; a key without any takes no memory. */
export class Counts {
  readonly #of = new Map<string, number>();
  total = 0;

  /** Number of keys whose count is above zero. */
  get size(): number {
    return this.#of.size;
  }

  of(key: string): number {
    return this.#of.get(key) ?? 0;
  }

  add(key: string, change: 1 | -1): void {
    const count = this.of(key) + change;
    this.total += change;
    if (count > 0) this.#of.set(key, count);
    else this.#of.delete(key);
  }
}
