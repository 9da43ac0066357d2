import { Violation } from '../../observer.ts';
import type { Seen, WatchChecker } from '../project.ts';

/** A branch is published as often as it was shown to move to a commit, at most, however often the watcher dies. */
export class Once implements WatchChecker {
  readonly invariant = 'once';
  #tips: ReadonlyMap<string, string> = new Map();
  readonly #moves = new Map<string, number>();
  readonly #orders = new Map<string, Set<string>>();

  observe(seen: Seen): void {
    if (seen.kind === 'refs-shown') {
      for (const [ref, commit] of seen.refs) {
        const key = `${ref}@${commit}`;
        if (this.#tips.get(ref) !== commit) this.#moves.set(key, (this.#moves.get(key) ?? 0) + 1);
      }
      this.#tips = seen.refs;
    }
    if (seen.kind !== 'published' || seen.order.floor) return;
    const key = `${seen.order.ref}@${seen.order.commit}`;
    const orders = this.#orders.get(key) ?? new Set();
    this.#orders.set(key, orders.add(seen.order.id));
    const moves = this.#moves.get(key) ?? 0;
    if (orders.size > moves)
      throw new Violation(
        this.invariant,
        `${key} was shown ${moves} times, and published ${orders.size} times`,
      );
  }
}
