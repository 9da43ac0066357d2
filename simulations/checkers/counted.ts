import { isOver } from '../../src/controller/machine/facts.ts';
import { allRuns, publishedLevelOf } from '../../src/controller/machine/state.ts';
import { idOf } from '../../src/protocol/documents/index.ts';
import { type Observe, type Truth, Violation } from '../observer.ts';

/** The longest delay of a message that is not stalled. */
const delayMsMax = 5_000;

/**
 * A worker that is heard after its build has been heard with its receipt. Without faults and attackers each reproducible job
 * comes to be trusted, and its builders have its bundle in the end.
 */
export function counted(): Observe {
  /** By lease: since when heartbeats come under it while its worker has a receipt for it that is in no log. */
  const pending = new Map<string, number>();
  /** By lease: when it was last given, or given again on another stream. */
  const given = new Map<string, number>();

  function heard(worker: string, lease: string, isRecorded: boolean, truth: Truth): void {
    if (truth.isAttacker(worker)) return;
    if (isRecorded || truth.machineOf(worker)?.pendingReceipt(lease) === undefined) {
      pending.delete(lease);
      return;
    }
    const { now, stallMsMax } = truth;
    const since = pending.get(lease) ?? now;
    pending.set(lease, since);
    // The lease and the receipt are on their way after each other.
    if (now > Math.max(since, given.get(lease) ?? 0) + 2 * (stallMsMax + delayMsMax))
      throw new Violation('an honest worker has built and is heard, and its receipt does not come');
  }

  return (seen, truth) => {
    if (seen.kind === 'handled') {
      const { event, state } = seen;
      for (const effect of seen.effects)
        if (effect.kind === 'reply' && effect.reply.kind === 'lease')
          given.set(idOf(effect.reply.lease), truth.now);
      if (event.kind === 'heartbeat')
        heard(event.worker, event.lease, state.index.receiptOf(event.lease) !== undefined, truth);
    }
    if (seen.kind !== 'ended' || !truth.isIdeal) return;
    for (const run of allRuns(seen.state)) {
      const work = truth.workOf(run.id);
      const isPlain = work?.nature === 'reproducible' && work.cancelAfterMs === undefined;
      if (work === undefined || !isPlain || work.expiresSeconds < 1800) continue;
      if (!isOver(run) || publishedLevelOf(run) !== 'trusted' || run.revoked !== null)
        throw new Violation(`${work.name} came to ${publishedLevelOf(run) ?? 'nothing'} (${run.phase.kind})`);
    }
    for (const { worker, served, bundles } of seen.idle) {
      const without = [...served].filter((artifact) => !bundles.has(artifact));
      if (without.length > 0)
        throw new Violation(`${worker} has no bundle of ${without.length} artifact(s) that it serves`);
    }
  };
}
