import { revocationsIn } from '../../src/controller/machine/members/revocations.ts';
import { idOf, isTrustedSlot, leaves } from '../../src/protocol/documents/index.ts';
import { cosignersOf } from '../../src/protocol/judge/policy.ts';
import { provenBy, verifyBundle } from '../../src/protocol/trust/index.ts';
import type { Revoked } from '../../src/protocol/trust/revocations.ts';
import { type Observe, Violation } from '../observer.ts';

/** Every bundle verifies as for a consumer, and holds all receipts that were acknowledged before its verdict. */
export function evidence(): Observe {
  /** Places in the log, by receipt, by run and job. */
  const acknowledged = new Map<string, Map<string, number>>();
  let revoked: readonly Revoked[] = [];
  return async (seen, truth) => {
    if (seen.kind === 'handled' && seen.event.kind === 'revoke') revoked = revocationsIn(seen.state);
    if (seen.kind === 'handled' && seen.event.kind === 'receipt') {
      const { receipt } = seen.event;
      const ack = seen.effects.flatMap((e) =>
        e.kind === 'reply' && e.reply.kind === 'ack' ? [e.reply.ack] : [],
      )[0];
      const { lease } = receipt.payload.predicate.quorate_receipt;
      const run = seen.state.index.receiptOf(lease)?.run;
      if (ack !== undefined && run !== undefined) {
        const of = `${run.id} ${run.jobId}`;
        const known = acknowledged.get(of) ?? new Map<string, number>();
        acknowledged.set(of, known.set(receipt.id, ack.index));
      }
    }
    if (seen.kind === 'restored') {
      const log = seen.state.log.leaves();
      for (const known of acknowledged.values())
        for (const [receipt, index] of known)
          if (log[index]?.startsWith(`receipt ${receipt} `) !== true) known.delete(receipt);
    }
    if (seen.kind !== 'published') return;
    const { job, level, receipts, policy, outcome, earlier } = seen.verdict.predicate.quorate_verdict;
    const listed = receipts.map(({ receipt }) => receipt);
    // A verdict stands as it was made, also where its bundle is made again; a later receipt is in the next one.
    const own = leaves.verdict(idOf(seen.verdict), job);
    const at = seen.bundle.entries.find(({ leaf }) => leaf === own)?.index ?? Number.POSITIVE_INFINITY;
    const dropped = [...(acknowledged.get(`${seen.run} ${job}`) ?? [])].filter(
      ([receipt, index]) => index < at && !listed.includes(receipt),
    );
    if (dropped.length > 0) throw new Violation(`the verdict leaves out ${dropped.length} receipt(s)`);
    // Answers (`earlier`) have a checker of their own.
    if (level === 'trusted' && cosignersOf(policy) > 0 && earlier === undefined) {
      const built = receipts.filter(
        (line) =>
          isTrustedSlot(line.slot) &&
          truth.personOf(line.worker) === 'owner' &&
          line.outcome.kind === 'exit' &&
          outcome?.kind === 'exit' &&
          line.outcome.artifact === outcome.artifact,
      );
      if (new Set(built.map(({ worker }) => worker)).size < cosignersOf(policy))
        throw new Violation('trusted without the trusted worker having built the same');
    }
    // A run that expired before any receipt has no evidence and claims nothing.
    const wanted = provenBy(level);
    if (wanted === 'none' && receipts.length === 0) return;
    const verified = (known: readonly Revoked[]) =>
      verifyBundle(seen.bundle, { project: truth.project, revocations: known }, truth.keys.verifier);
    let checked = await verified([]);
    // Where somebody was revoked whose failure of a test counted, the next verdict stands with that revocation only.
    if ((!checked.ok || checked.level !== wanted) && revoked.length > 0) checked = await verified(revoked);
    if (!checked.ok || checked.level !== wanted)
      throw new Violation(
        `a bundle that says ${level} verifies as ${checked.ok ? checked.level : `${checked.code}: ${checked.steps.at(-1)?.says}`}`,
      );
  };
}
