/** Adds a name to the set of a key, which is returned. */
export function addTo<K, T>(index: Map<K, Set<T>>, key: K, name: T): Set<T> {
  const set = index.get(key) ?? new Set();
  index.set(key, set.add(name));
  return set;
}

/** Removes a name from the set of a key, and the key with its last name. */
export function dropFrom<K, T>(index: Map<K, Set<T>>, key: K, name: T): void {
  const set = index.get(key);
  set?.delete(name);
  if (set?.size === 0) index.delete(key);
}

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
