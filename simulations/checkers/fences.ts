import { liveLeases } from '../../src/controller/machine/state.ts';
import { idOf } from '../../src/protocol/documents/index.ts';
import { type Observe, Violation } from '../observer.ts';

/** At most one receipt is acknowledged per lease, and none after the lease ended. */
export function fences(): Observe {
  const over = new Set<string>();
  const given = new Set<string>();
  const receipts = new Map<string, string>();
  return (seen) => {
    if (seen.kind === 'restarted' && seen.state !== undefined) {
      // After a power cut a lease that is not in the state is over; one whose end was lost is live.
      for (const lease of given) over.add(lease);
      for (const { id } of [...seen.state.runs.values()].flatMap(liveLeases)) over.delete(id);
    }
    if (seen.kind === 'restored')
      for (const lease of receipts.keys())
        if (seen.state.index.receiptOf(lease) === undefined) receipts.delete(lease);
    if (seen.kind !== 'handled') return;
    for (const effect of seen.effects) {
      if (effect.kind === 'reply' && effect.reply.kind === 'ack') {
        const { lease, receipt } = effect.reply.ack;
        const before = receipts.get(lease);
        if (before === undefined && over.has(lease))
          throw new Violation(`a receipt was acknowledged under lease ${lease}, which had been taken back`);
        if (before !== undefined && before !== receipt)
          throw new Violation(`two receipts were acknowledged under lease ${lease}`);
        receipts.set(lease, receipt);
      }
      if (effect.kind === 'reply' && effect.reply.kind === 'lease') given.add(idOf(effect.reply.lease));
      if (effect.kind === 'release') over.add(effect.lease);
    }
  };
}
