import {
  filesOf,
  type Job,
  type Lease,
  makeReceipt,
  type Receipt,
  sameValue,
  type VerifiedStatement,
} from '../documents/index.ts';
import type { Check } from './check.ts';

/** Whether a receipt is the one due under a lease: signed by its holder alone, with the lease's facts. `id`: of the lease. */
export function checkReceipt(
  check: Check,
  receipt: VerifiedStatement<Receipt>,
  { id, lease }: { id: string; lease: Lease },
  built: Job,
): void {
  const { payload, signer, signers } = receipt;
  const it = `the receipt of ${signer}`;
  const own = signers.length === 1 && signer === lease.aud;
  check('RECEIPT_SIGNER_MISMATCH', own, `${it} was due from ${lease.aud} alone`);
  const { kind, profile } = built;
  const facts = payload.predicate.quorate_receipt;
  const { project, job, offer, round, slot, fence, operator } = lease;
  const leased = { project, job, offer, round, slot, fence, operator, lease: id };
  const {
    outcome: _outcome,
    log: _log,
    sandbox: _sandbox,
    nonce: _nonce,
    link: _link,
    more: _more,
    ...said
  } = facts;
  check('RECEIPT_LEASE_MISMATCH', sameValue(leased, said), `${it} says other things than its lease`);
  check(
    'RECEIPT_PROFILE_MISMATCH',
    facts.sandbox.profile === profile,
    `${it} was built under another sandbox profile than its job's, ${profile}`,
  );
  const { outcome } = facts;
  check(
    'RECEIPT_FAILED_WITH_FILES',
    kind === 'test' || outcome.kind !== 'exit' || outcome.code === 0 || outcome.artifact === null,
    `${it} names an artifact of a build that failed; only a test that failed has files`,
  );
  const { startedOn, finishedOn } = payload.predicate.runDetails.metadata;
  const made = makeReceipt({
    worker: signer,
    job: built,
    files: filesOf(payload),
    startedOn,
    finishedOn,
    facts,
  });
  check(
    'RECEIPT_MISMATCH',
    sameValue(made, payload),
    `${it} names another source, image, input, job, builder or subject`,
  );
}
