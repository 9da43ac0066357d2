import { type Checker, Violation } from '../observer.ts';

/** Heartbeats that were sent before a worker let its lease go arrive within this, but for the longest stall. */
const delayMs = 30_000;

/**
 * An honest worker keeps no lease alive that its machine does not know: it ends the stream, and the slot goes to another
 * worker. Otherwise the controller would wait for a result until the lease runs out. Nor does it give up a lease, and the
 * result with it, because a connection failed.
 */
export function knownLeases(): Checker {
  const invariant = 'known leases';
  /** Since when heartbeats come for a lease that its worker does not know, by lease. */
  const unknownSince = new Map<string, number>();
  return {
    invariant,
    observe(seen, truth) {
      if (seen.kind === 'worker-handled') {
        const { event } = seen;
        const ended = event.kind === 'refused' || event.kind === 'released';
        if (ended && event.code.startsWith('MESH_'))
          throw new Violation(invariant, `a worker gives up a lease for ${event.code}`);
      }
      if (seen.kind !== 'handled' || seen.event.kind !== 'heartbeat') return;
      const { worker, lease } = seen.event;
      const behaviour = truth.behaviourOf(worker);
      if (behaviour !== 'honest' && behaviour !== 'slow') return;
      if (truth.holdsLease(worker, lease) !== false) {
        unknownSince.delete(lease);
        return;
      }
      const since = unknownSince.get(lease) ?? truth.now;
      unknownSince.set(lease, since);
      if (truth.now - since > truth.stallMsMax + delayMs)
        throw new Violation(invariant, 'a worker sends heartbeats for a lease that it does not know');
    },
  };
}
