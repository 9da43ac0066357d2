import { Violation } from '../../observer.ts';
import type { Seen, WatchChecker } from '../project.ts';

/** The command of a hook is started at most once for a run, and for none without evidence (docs/hooks.md, "At most once"). */
export class Commands implements WatchChecker {
  readonly invariant = 'commands';
  readonly #started = new Set<string>();

  observe(seen: Seen): void {
    if (seen.kind !== 'executed') return;
    const { subject, project } = seen;
    if (!project.isProven(subject)) throw new Violation(this.invariant, `${subject} has no evidence`);
    if (this.#started.has(subject)) throw new Violation(this.invariant, `${subject} had its command twice`);
    this.#started.add(subject);
  }
}
