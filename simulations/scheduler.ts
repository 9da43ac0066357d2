import { epochMs } from './paperwork.ts';

interface Entry {
  at: number;
  order: number;
  act: (() => void) | undefined;
}

/** Cancelled entries are cleared away when they are more than half of a queue of at least this size. */
const clearAt = 256;

/** Simulated time: events in a fixed order. Between two of them `settle` lets promises and signatures come to rest. */
export class Scheduler {
  now = epochMs;
  #order = 0;
  #cancelled = 0;
  #heap: Entry[] = [];
  readonly #settle: () => Promise<void>;

  constructor(settle: () => Promise<void>) {
    this.#settle = settle;
  }

  /** Calls `act` `ms` from now; the returned function cancels it. */
  after(ms: number, act: () => void): () => void {
    return this.at(this.now + ms, act);
  }

  /** At a whole millisecond, as `Date.now` has it. */
  at(at: number, act: () => void): () => void {
    const entry: Entry = { at: Math.max(Math.ceil(at), this.now), order: this.#order++, act };
    this.#push(entry);
    return () => {
      if (entry.act === undefined) return;
      entry.act = undefined;
      this.#cancelled++;
      this.#clear();
    };
  }

  /** Runs what is due up to `until` (ms since the epoch), or until `done` says so. */
  async run(until: number, done: () => boolean = () => false): Promise<void> {
    await this.#settle();
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.at > until || done()) break;
      this.#pop();
      const { act } = next;
      if (act === undefined) {
        this.#cancelled--;
        continue;
      }
      next.act = undefined;
      this.now = next.at;
      act();
      await this.#settle();
    }
    if (!done()) this.now = Math.max(this.now, until);
  }

  #clear(): void {
    if (this.#heap.length < clearAt || this.#cancelled * 2 < this.#heap.length) return;
    this.#heap = this.#heap.filter(({ act }) => act !== undefined).sort((a, b) => (less(a, b) ? -1 : 1));
    this.#cancelled = 0;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    heap.push(entry);
    for (let i = heap.length - 1; i > 0; ) {
      const parent = (i - 1) >> 1;
      if (!this.#swapIfLess(i, parent)) return;
      i = parent;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    heap[0] = last;
    for (let i = 0; ; ) {
      const [left, right] = [2 * i + 1, 2 * i + 2];
      const child = right < heap.length && less(heap[right], heap[left]) ? right : left;
      if (child >= heap.length || !this.#swapIfLess(child, i)) return;
      i = child;
    }
  }

  #swapIfLess(child: number, parent: number): boolean {
    const heap = this.#heap;
    const [a, b] = [heap[child], heap[parent]];
    if (a === undefined || b === undefined || !less(a, b)) return false;
    heap[child] = b;
    heap[parent] = a;
    return true;
  }
}

function less(a: Entry | undefined, b: Entry | undefined): boolean {
  return a !== undefined && b !== undefined && (a.at < b.at || (a.at === b.at && a.order < b.order));
}
