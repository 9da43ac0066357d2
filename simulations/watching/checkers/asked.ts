import { Violation } from '../../observer.ts';
import type { Seen, WatchChecker } from '../project.ts';

/** A commit is published where the git server showed it at its branch, or a maintainer approved it. */
export class Asked implements WatchChecker {
  readonly invariant = 'asked';
  readonly #asked = new Set<string>();

  observe(seen: Seen): void {
    if (seen.kind === 'refs-shown')
      for (const [ref, commit] of seen.refs)
        if (ref.startsWith('refs/heads/')) this.#asked.add(`${ref}@${commit}`);
    if (seen.kind === 'approved') this.#asked.add(`${seen.ref}@${seen.commit}`);
    if (seen.kind !== 'published') return;
    const { ref, commit } = seen.order;
    if (!this.#asked.has(`${ref}@${commit}`))
      throw new Violation(this.invariant, `${ref} at ${commit} was published, and nobody asked for it`);
  }
}
