import { sessionTimes } from '../../protocol/sessions/limits.ts';
import { workerSessionLimits } from './limits.ts';

interface Open {
  /** Monotonic time of the first checkpoint of that member that could not be compared, since one could. */
  since: number;
  tries: number;
}

/**
 * Members whose checkpoints could not be compared with those seen here, since the controller gave no proof: it may be down. One
 * that talks to this worker all the while, and only never answers that, may have told the member something else.
 */
export class Uncompared {
  readonly #open = new Map<string, Open>();
  /** Monotonic time when the controller last sent a checkpoint. */
  #heardAt = Number.NEGATIVE_INFINITY;

  heard(now: number): void {
    this.#heardAt = now;
  }

  compared(member: string): void {
    this.#open.delete(member);
  }

  /** Whether this has gone on for too long. */
  failed(member: string, now: number): boolean {
    const { since, tries } = this.#open.get(member) ?? { since: now, tries: 0 };
    const [oldest] = this.#open.keys();
    if (this.#open.size >= workerSessionLimits.uncomparedMax && oldest !== undefined)
      this.#open.delete(oldest);
    this.#open.set(member, { since, tries: tries + 1 });
    return (
      tries + 1 >= sessionTimes.uncomparedTriesMin &&
      now - since > sessionTimes.uncomparedMs &&
      this.#heardAt > since + sessionTimes.uncomparedMs
    );
  }
}
