/** Adds to the list of a key, which is begun where there is none. */
export function addTo<Key, Item>(lists: Map<Key, Item[]>, key: Key, item: Item): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [item]);
  else list.push(item);
}

/** The oldest go where there are more than `max`. */
export function dropOldest<Key>(held: Map<Key, unknown> | Set<Key>, max: number): void {
  // A look for the first key steps over each place whose key was deleted.
  if (held.size <= max) return;
  for (const key of held.keys()) {
    held.delete(key);
    if (held.size <= max) return;
  }
}

/** Keeps a value as the newest of at most `max`. */
export function keepNewest<Key, Value>(held: Map<Key, Value>, key: Key, value: Value, max: number): void {
  held.delete(key);
  held.set(key, value);
  dropOldest(held, max);
}

/** Values by key, at most so many: the oldest one goes first. */
export class Recent<Value> {
  readonly #held = new Map<string, Value>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  of(key: string, make: (key: string) => Value): Value {
    const held = this.#held.get(key);
    if (held !== undefined) return held;
    const value = make(key);
    keepNewest(this.#held, key, value, this.#max);
    return value;
  }
}

/** Adds a name to the set of a key, which is returned. */
export function addToSet<K, T>(index: Map<K, Set<T>>, key: K, name: T): Set<T> {
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

  add(key: string, change: number): void {
    const count = this.of(key) + change;
    this.total += change;
    if (count > 0) this.#of.set(key, count);
    else this.#of.delete(key);
  }
}
