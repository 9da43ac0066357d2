interface Named {
  readonly name: string;
  readonly at: number;
}

/**
 * Finds by the beginning of a name. Holds sorted lists, each longer than the next one: to add a name merges those that are no
 * longer, which costs O(log n) on average; to find looks into each, O(log² n).
 */
export class NameIndex {
  readonly #lists: Named[][] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(name: string, at: number): void {
    this.#size++;
    let list: Named[] = [{ name, at }];
    for (let last = this.#lists.at(-1); last !== undefined && last.length <= list.length; ) {
      this.#lists.pop();
      list = merged(last, list);
      last = this.#lists.at(-1);
    }
    this.#lists.push(list);
  }

  /** Entries whose names begin so. */
  beginning(which: string): Set<number> {
    const found = new Set<number>();
    for (const list of this.#lists) {
      for (let n = firstNotBefore(list, which); n < list.length; n++) {
        const named = list[n];
        if (named === undefined || !named.name.startsWith(which)) break;
        found.add(named.at);
      }
    }
    return found;
  }
}

function merged(a: readonly Named[], b: readonly Named[]): Named[] {
  const all: Named[] = [];
  for (let [i, j] = [0, 0]; ; ) {
    const [left, right] = [a[i], b[j]];
    if (left === undefined) return all.concat(b.slice(j));
    if (right === undefined) return all.concat(a.slice(i));
    if (left.name <= right.name) i++;
    else j++;
    all.push(left.name <= right.name ? left : right);
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
