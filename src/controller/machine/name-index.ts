import { compareTexts } from '../../protocol/base/order.ts';

interface Named {
  readonly name: string;
  readonly at: number;
}

/**
 * Finds by the beginning of a name. Holds sorted lists of 1, 2, 4, 8… names, at most one of each length: to add a name merges as many as
 * a binary counter carries, which costs O(log n) on average; to find looks into each, O(log² n).
 */
export class NameIndex {
  /** By the binary logarithm of their lengths. */
  readonly #lists = new Map<number, Named[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(name: string, at: number): void {
    this.#size++;
    let list: Named[] = [{ name, at }];
    let level = 0;
    for (let held = this.#lists.get(level); held !== undefined; held = this.#lists.get(++level)) {
      this.#lists.delete(level);
      // Two sorted runs, which the engine merges in linear time.
      list = [...held, ...list].sort((a, b) => compareTexts(a.name, b.name));
    }
    this.#lists.set(level, list);
  }

  /** Entries whose names begin so. */
  beginning(which: string): Set<number> {
    const found = new Set<number>();
    for (const list of this.#lists.values()) {
      let n = firstNotBefore(list, which);
      for (let named = list[n]; named?.name.startsWith(which); named = list[++n]) found.add(named.at);
    }
    return found;
  }
}

function firstNotBefore(list: readonly Named[], name: string): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle]?.name ?? '') < name) low = middle + 1;
    else high = middle;
  }
  return low;
}
