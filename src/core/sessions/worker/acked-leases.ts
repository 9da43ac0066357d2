import type { HeldLease } from '../revocation-exchange.ts';
import type { AckPromise } from './checkpoint-book.ts';
import { workerSessionLimits } from './limits.ts';

/**
 * Leases of this life with their acks. The machine forgets a lease once its result is published, which may be before a checkpoint covers the
 * receipt: a controller that starts from an older copy has to be shown it still.
 */
export class AckedLeases {
  /** By ack. */
  readonly #held = new Map<string, HeldLease>();

  keep(ack: string, held: HeldLease): void {
    this.#held.set(ack, { ...held, ack });
    const [oldest] = this.#held.keys();
    if (this.#held.size > workerSessionLimits.promisesMax && oldest !== undefined) this.#held.delete(oldest);
  }

  /** Those whose acks are among the promises that were not found under a checkpoint yet; the others are forgotten. */
  of(promises: readonly AckPromise[]): HeldLease[] {
    const open = new Set(promises.map(({ ack }) => ack));
    for (const ack of this.#held.keys()) if (!open.has(ack)) this.#held.delete(ack);
    return [...this.#held.values()];
  }
}
