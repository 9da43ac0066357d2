import { type Ack, leaves } from '../../src/core/documents/index.ts';
import { type Checker, Violation } from '../observer.ts';

/** Each acknowledged receipt stays in the log at the index its ack promised. */
export function acks(): Checker {
  const invariant = 'acks';
  const promised = new Map<string, { ack: Ack; offer: string }>();
  const offers = new Map<string, string>();
  return {
    invariant,
    observe(seen) {
      if (seen.kind === 'handled' && seen.event.kind === 'receipt') {
        const { receipt } = seen.event;
        offers.set(receipt.id, receipt.payload.predicate.quorate_receipt.offer);
      }
      if (seen.kind === 'sent' && seen.effect.kind === 'reply' && seen.effect.reply.kind === 'ack') {
        const { ack } = seen.effect.reply;
        const before = promised.get(ack.receipt);
        if (before !== undefined && before.ack.index !== ack.index)
          throw new Violation(
            invariant,
            `receipt ${ack.receipt} was promised ${before.ack.index}, then ${ack.index}`,
          );
        promised.set(ack.receipt, { ack, offer: offers.get(ack.receipt) ?? '' });
      }
      const { state } = 'state' in seen ? seen : { state: undefined };
      if (state === undefined || (seen.kind !== 'restarted' && seen.kind !== 'ended')) return;
      const log = state.log.leaves();
      for (const { ack, offer } of promised.values()) {
        if (log[ack.index] !== leaves.receipt(ack.receipt, offer))
          throw new Violation(
            invariant,
            `receipt ${ack.receipt} was acknowledged as leaf ${ack.index} and is not there`,
          );
      }
    },
  };
}
