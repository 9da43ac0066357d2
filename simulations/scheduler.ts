import { epochMs } from './paperwork.ts';

interface Entry {
  at: number;
  order: number;
  act: () => Promise<void> | void;
}

/** Simulated time: things happen one after the other, each when its time has come, in an order that never varies. */
export class Scheduler {
  now = epochMs;
  #order = 0;
  readonly #heap: Entry[] = [];

  after(ms: number, act: Entry['act']): void {
    this.at(this.now + ms, act);
  }

  at(at: number, act: Entry['act']): void {
    this.#push({ at: Math.max(at, this.now), order: this.#order++, act });
  }

  /** Runs what is due up to `until`, or until `done` says so. */
  async run(until: number, done: () => boolean = () => false): Promise<void> {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.at > until || done()) break;
      this.#pop();
      this.now = next.at;
      await next.act();
    }
    if (!done()) this.now = Math.max(this.now, until);
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
