import { liveLeases } from '../../src/controller/machine/state.ts';
import { idOf } from '../../src/protocol/documents/index.ts';
import { type Observe, Violation } from '../observer.ts';
import { timings } from '../timings.ts';

/** A controller's wall clock may be off by as much; and a tick is due within this. */
const lateMs = 150_000;
/** A receipt, or word that none comes, is on its way for this long beside stalls and silences. */
const deliveryMs = 30_000;

/** Each lease ends by its deadline, and soon after an honest worker has built. Downtime of the controller is added. */
export function leaseEnds(): Observe {
  /** In ms of wall time, by lease. */
  const deadlines = new Map<string, number>();
  /** By lease: when its worker had a result. */
  const built = new Map<string, number>();
  let upSince = 0;
  return (seen, truth) => {
    const { now } = truth;
    if (seen.kind === 'restarted' && seen.state !== undefined) upSince = now;
    if (seen.kind === 'worker-handled' && seen.event.kind === 'built' && !truth.isAttacker(seen.worker))
      built.set(seen.event.lease, now);
    // After a power cut a worker may build again what it had built.
    if (seen.kind === 'worker-handled')
      for (const effect of seen.effects) if (effect.kind === 'build') built.delete(effect.lease);
    if (seen.kind !== 'handled') return;
    if (seen.event.kind === 'started') upSince = now;
    for (const effect of seen.effects) {
      if (effect.kind !== 'reply' || effect.reply.kind !== 'lease') continue;
      const { lease } = effect.reply;
      deadlines.set(idOf(lease), lease.exp * 1000);
    }
    for (const run of seen.state.index.open.values()) {
      for (const { id, lease } of liveLeases(run)) {
        const deadline = deadlines.get(id) ?? lease.exp * 1000;
        if (now > Math.max(deadline, upSince) + lateMs)
          throw new Violation(`the lease of slot ${lease.slot} stands after its deadline`);
        const since = Math.max(built.get(id) ?? Number.POSITIVE_INFINITY, upSince);
        if (now > since + timings.leaseSilenceMs + truth.stallMsMax + deliveryMs)
          throw new Violation(`the lease of slot ${lease.slot} stands long after the build`);
      }
    }
  };
}
