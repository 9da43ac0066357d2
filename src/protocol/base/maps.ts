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
