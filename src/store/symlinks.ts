import type { QuorateError } from '../protocol/base/errors.ts';
import { printable } from '../protocol/base/escape.ts';
import type { LongWork } from './long-work.ts';
import { linkEscapes } from './names.ts';

/** Linux follows at most this many links per path (path_resolution(7)); a longer chain does not resolve. */
const followsMax = 40;

/** A node of the prefix tree of all links: a folder above a link, or a link with its target. */
interface Place {
  below: Map<string, Place>;
  target: string | undefined;
}

const place = (): Place => ({ below: new Map(), target: undefined });

/**
 * The symbolic links of one tree, resolved once all are known: `a -> .` with `b -> a/..` leaves the tree. Each step costs constant time:
 * an untrusted tree may hold targets of thousands of steps.
 */
export class Symlinks {
  readonly #top = place();
  readonly #all: { path: string; target: string }[] = [];

  /** Adds a link. Path and target must have passed `splitPath` and `checkTarget`; each path is added once. */
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

  /** Resolves each link as the kernel would, through other links of the tree. @throws STORE_LINK_ESCAPES */
  check(): void {
    for (const { path, target } of this.#all) this.#follow(path, target);
  }

  /** The same in slices. @throws also the reason of their signal */
  async checkInSlices(slices: LongWork): Promise<void> {
    for (const { path, target } of this.#all) {
      this.#follow(path, target);
      if (slices.isOver) await slices.next();
    }
  }

  #follow(path: string, target: string): void {
    /** The folders from below the root to the current one; undefined for a folder without links below it. */
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
  linkEscapes(`the link ${printable(path)} leaves the tree (target ${printable(target)})`);
