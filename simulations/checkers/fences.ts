import { type Checker, Violation } from '../observer.ts';

/** A receipt counts under a live lease only, once: what comes after the lease was taken back is stale. */
export function fences(): Checker {
  const invariant = 'fences';
  const over = new Set<string>();
  const receipts = new Map<string, string>();
  return {
    invariant,
    observe(seen) {
      if (seen.kind !== 'handled') return;
      for (const effect of seen.effects) {
        if (effect.kind === 'reply' && effect.reply.kind === 'ack') {
          const { lease, receipt } = effect.reply.ack;
          const before = receipts.get(lease);
          if (before === undefined && over.has(lease))
            throw new Violation(
              invariant,
              `a receipt was acknowledged under lease ${lease}, which had been taken back`,
            );
          if (before !== undefined && before !== receipt)
            throw new Violation(invariant, `two receipts were acknowledged under lease ${lease}`);
          receipts.set(lease, receipt);
        }
        if (effect.kind === 'release') over.add(effect.lease);
      }
    },
  };
}
