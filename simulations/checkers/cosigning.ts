import { isTrustedSlot, resultOf } from '../../src/protocol/documents/index.ts';
import { type Observe, Violation } from '../observer.ts';

/** The trusted worker sees evidence only after its own receipt is in, signs only what it built, and refuses nothing honest. */
export function cosigning(): Observe {
  const committed = new Set<string>();
  return (seen, truth) => {
    if (seen.kind === 'sent' && seen.effect.kind === 'reply' && seen.effect.reply.kind === 'ack') {
      const { aud } = seen.effect.reply.ack;
      for (const run of seen.state.runs.values()) {
        if (run.receipts.some(({ worker, slot }) => worker === aud && isTrustedSlot(slot)))
          committed.add(`${run.id} ${aud}`);
      }
    }
    // A commitment is what the journal holds; its ack may be lost with the process.
    if (seen.kind === 'restarted' && seen.state !== undefined) {
      for (const run of seen.state.runs.values()) {
        for (const { worker, slot } of run.receipts)
          if (isTrustedSlot(slot)) committed.add(`${run.id} ${worker}`);
      }
    }
    if (seen.kind === 'shown' && !committed.has(`${seen.run} ${seen.worker}`))
      throw new Violation('the trusted worker was shown the evidence before its own receipt was in');
    if (seen.kind === 'worker-handled') {
      const refusal = seen.effects.find((effect) => effect.kind === 'refuse-cosign');
      // Excused: a revocation reached the worker before the controller withdrew the draft; a full disk; a wrong clock.
      const mayRefuse = truth.clockIsOff(seen.worker)
        ? /_REVOKED$|^HOME_UNWRITABLE$|^VERDICT_FROM_FUTURE$|^REQUEST_OVER$/
        : /_REVOKED$|^HOME_UNWRITABLE$/;
      // Nor does it sign another story of the log.
      if (truth.isShort) return;
      if (refusal?.kind !== 'refuse-cosign') return;
      // The same of an input's evidence.
      if (refusal.code === 'INPUT_NOT_VERIFIED' && refusal.message.includes('revoked')) return;
      if (!mayRefuse.test(refusal.code))
        throw new Violation(`the trusted worker refuses to sign: ${refusal.code}`);
    }
    if (seen.kind !== 'cosigned') return;
    const { request } = seen.verdict.predicate.quorate_verdict;
    const own = truth.builtUnder(seen.lease);
    if (own === undefined || own.key !== seen.worker)
      throw new Violation('a trusted worker signed what it did not build');
    if (own.result === null || own.result !== resultOf(seen.verdict))
      throw new Violation('a trusted worker signed another result than its own');
    if (!committed.has(`${request} ${seen.worker}`))
      throw new Violation('a trusted worker signed before its receipt was in');
  };
}
