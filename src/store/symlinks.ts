import { QuorateError } from '../core/errors.ts';
import { printable } from './names.ts';

/** Linux gives up after this many links (path_resolution(7)); what needs more does not resolve anywhere. */
const followsMax = 40;

/** A place of the tree on the way to a link, or one. */
interface Place {
  below: Map<string, Place>;
  target: string | undefined;
}

const place = (): Place => ({ below: new Map(), target: undefined });

/**
 * The symbolic links of one tree. Where they lead is known once all are there: `a -> .` with `b -> a/..` leaves the tree.
 * One step costs the same however long the way was, for a stranger may write links of thousands of steps.
 */
export class Symlinks {
  readonly #top = place();
  readonly #all: { path: string; target: string }[] = [];

  /** Paths and targets have been checked (`splitPath`, `checkTarget`); each path comes once. */
  add(path: string, target: string): void {
    this.#all.push({ path, target });
    let at = this.#top;
    for (const part of path.split('/')) {
      const next = at.below.get(part) ?? place();
      at.below.set(part, next);
      at = next;
    }
    at.target = target;
  }

  /** Follows each link the way the kernel would, other links of the tree included. @throws STORE_LINK_ESCAPES */
  check(): void {
    for (const { path, target } of this.#all) this.#follow(path, target);
  }

  #follow(path: string, target: string): void {
    /** The folders one is in, the top left out; undefined where no link is below. */
    const way: (Place | undefined)[] = [];
    const here = (): Place | undefined => (way.length === 0 ? this.#top : way.at(-1));
    for (const part of path.split('/').slice(0, -1)) way.push(here()?.below.get(part));
    const todo = target.split('/').reverse();
    let follows = 0;
    for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
      if (part === '' || part === '.') continue;
      if (part === '..') {
        if (way.length === 0) throw escapes(path, target);
        way.pop();
        continue;
      }
      const next = here()?.below.get(part);
      if (next?.target === undefined) {
        way.push(next);
        continue;
      }
      follows += 1;
      if (follows > followsMax) return;
      todo.push(...next.target.split('/').reverse());
    }
  }
}

const escapes = (path: string, target: string): QuorateError =>
  new QuorateError(
    'STORE_LINK_ESCAPES',
    `the link ${printable(path)} leaves the tree (target ${printable(target)})`,
    { hint: 'Use a relative link that stays inside the tree.' },
  );
