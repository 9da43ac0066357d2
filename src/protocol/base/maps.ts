/** Adds to the list of a key, which is begun where there is none. */
export function addTo<Key, Item>(lists: Map<Key, Item[]>, key: Key, item: Item): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [item]);
  else list.push(item);
}

/** Keeps a value as the newest of at most `max`: the oldest one makes room. */
export function keepNewest<Key, Value>(held: Map<Key, Value>, key: Key, value: Value, max: number): void {
  held.delete(key);
  held.set(key, value);
  const [oldest = key] = held.keys();
  if (held.size > max) held.delete(oldest);
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
