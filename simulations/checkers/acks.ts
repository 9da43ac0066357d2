import { type Ack, leaves } from '../../src/protocol/documents/index.ts';
import { type Observe, Violation } from '../observer.ts';

/** Each acknowledged receipt stays in the log at the index its ack promised; through a restore, where a member that answered holds the ack. */
export function acks(): Observe {
  const promised = new Map<string, { ack: Ack; offer: string }>();
  const offers = new Map<string, string>();
  return (seen, truth) => {
    if (seen.kind === 'handled' && seen.event.kind === 'receipt') {
      const { receipt } = seen.event;
      offers.set(receipt.id, receipt.payload.predicate.quorate_receipt.offer);
    }
    if (seen.kind === 'sent' && seen.effect.kind === 'reply' && seen.effect.reply.kind === 'ack') {
      const { ack } = seen.effect.reply;
      const before = promised.get(ack.receipt);
      if (before !== undefined && before.ack.index !== ack.index)
        throw new Violation(`receipt ${ack.receipt} was promised ${before.ack.index}, then ${ack.index}`);
      promised.set(ack.receipt, { ack, offer: offers.get(ack.receipt) ?? '' });
    }
    const { state } = 'state' in seen ? seen : { state: undefined };
    if (seen.kind === 'restored') {
      const log = seen.state.log.leaves();
      for (const { worker, promises } of seen.answers)
        for (const { by, index, leaf } of promises)
          if (by === truth.controller && log[index] !== leaf)
            throw new Violation(
              `${worker} holds a promise of "${leaf}" as leaf ${index}, which is not there`,
            );
      // The others are lost: nobody who answered holds them, nor a checkpoint that they are under.
      for (const [receipt, { ack, offer }] of promised)
        if (log[ack.index] !== leaves.receipt(receipt, offer)) promised.delete(receipt);
    }
    if (
      state === undefined ||
      (seen.kind === 'restarted' && seen.isCopy === true) ||
      (seen.kind !== 'restarted' && seen.kind !== 'ended')
    )
      return;
    const log = state.log.leaves();
    for (const { ack, offer } of promised.values()) {
      if (log[ack.index] !== leaves.receipt(ack.receipt, offer))
        throw new Violation(`receipt ${ack.receipt} was acknowledged as leaf ${ack.index} and is not there`);
    }
  };
}
