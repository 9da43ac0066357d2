import { type Observe, Violation } from '../observer.ts';
import { timings } from '../timings.ts';

/** Heartbeats that were sent before a worker let its lease go arrive within this, but for the longest stall. */
const delayMs = 30_000;

/** An honest worker sends heartbeats only for leases that its machine knows, and gives none up because a connection failed. */
export function knownLeases(): Observe {
  /** Since when heartbeats come for a lease that its worker does not know, and the last of them, by lease. */
  const unknown = new Map<string, { since: number; last: number }>();
  return (seen, truth) => {
    if (seen.kind === 'worker-handled') {
      const { event } = seen;
      const ended = event.kind === 'refused' || event.kind === 'released';
      if (ended && event.code.startsWith('MESH_'))
        throw new Violation(`a worker gives up a lease for ${event.code}`);
    }
    if (seen.kind !== 'handled' || seen.event.kind !== 'heartbeat') return;
    const { worker, lease } = seen.event;
    if (truth.isAttacker(worker)) return;
    const machine = truth.machineOf(worker);
    if (machine === undefined || machine.leaseOf(lease) !== undefined) {
      unknown.delete(lease);
      return;
    }
    const before = unknown.get(lease);
    // After a silence they are those of another stream, whose lease may be on its way for as long again.
    const goesOn = before !== undefined && truth.now - before.last <= timings.leaseSilenceMs;
    const since = goesOn ? before.since : truth.now;
    unknown.set(lease, { since, last: truth.now });
    if (truth.now - since > truth.stallMsMax + delayMs)
      throw new Violation('a worker sends heartbeats for a lease that it does not know');
  };
}
