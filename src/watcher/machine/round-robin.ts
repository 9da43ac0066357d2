/**
 * Round-robin among authors: next is the one whose last turn is longest ago, so that one with much waiting keeps nobody else out, however early
 * that came.
 */
export class Turns {
  /** By author: the number of their last turn. */
  readonly #last = new Map<string | null, number>();
  #count = 0;

  /** Up to `count` of these in turn; of each author in their order. Who has nothing here is forgotten, and is first the next time. */
  pick<T extends { author: string | null }>(waiting: readonly T[], count: number): T[] {
    const lists = new Map<string | null, T[]>();
    for (const one of waiting) lists.set(one.author, [...(lists.get(one.author) ?? []), one]);
    for (const author of this.#last.keys()) if (!lists.has(author)) this.#last.delete(author);
    const picked: T[] = [];
    while (picked.length < count) {
      const [next] = [...lists].sort(([a], [b]) => (this.#last.get(a) ?? 0) - (this.#last.get(b) ?? 0));
      if (next === undefined) break;
      const [author, list] = next;
      const one = list.shift();
      if (one !== undefined) picked.push(one);
      if (list.length === 0) lists.delete(author);
      this.#last.set(author, ++this.#count);
    }
    return picked;
  }
}
