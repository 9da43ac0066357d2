import {
  idOf,
  type Lease,
  makeReceipt,
  type Offer,
  openMessage,
  openStatement,
  type Receipt,
  type Verified,
  type VerifiedStatement,
} from '../../documents/index.ts';
import { limits } from '../../limits.ts';
import { checkGrant } from './authority.ts';
import type { Ask, Authority, CheckedReceipt } from './context.ts';

const skew = limits.clockSkewSeconds;

/** Every receipt, under its lease and its grant. */
export async function openReceipts(
  ask: Ask,
  authority: Authority,
  offers: readonly Verified<Offer>[],
): Promise<CheckedReceipt[]> {
  const { bundle, verifier, check } = ask;
  const checked: CheckedReceipt[] = [];
  const seen = new Set<string>();
  const once = (code: string, what: string, message: string) => {
    check(code, !seen.has(what), message);
    seen.add(what);
  };
  for (const bundled of bundle.receipts) {
    const receipt = await openStatement('receipt', bundled.envelope, verifier);
    const lease = await openMessage('lease', bundled.lease, verifier);
    const grant = await openMessage('grant', bundled.grant, verifier);
    const { aud, operator, slot, fence, iat } = lease.payload;
    const offer = offers.find(({ id }) => id === lease.payload.offer);
    check('RECEIPT_WITHOUT_OFFER', offer !== undefined, `the offer for the receipt of ${aud} is missing`);
    if (offer === undefined) continue;
    checkLease(ask, authority, lease, offer.payload);
    const as = slot === 'trusted' ? 'trusted-worker' : 'worker';
    checkGrant(check, grant, authority.charter.payload, { by: aud, as, at: iat });
    const granted = grant.payload.operator;
    check(
      'LEASE_OPERATOR_MISMATCH',
      granted === operator,
      `the lease of ${aud} is ${operator}'s, its grant ${granted}'s`,
    );
    checkReceipt(ask, authority, receipt, lease);
    once('RECEIPT_TWICE', receipt.id, `the receipt of ${aud} is in the bundle twice`);
    once('RECEIPT_SECOND', `lease ${lease.id}`, `the lease of ${aud} has two receipts`);
    once(
      'LEASE_FENCE_TWICE',
      `fence ${fence.epoch} ${fence.n}`,
      `the fence of ${aud}'s lease was given twice`,
    );
    checked.push({ receipt, lease, grant, offer });
  }
  return checked;
}

function checkLease({ check }: Ask, authority: Authority, lease: Verified<Lease>, offer: Offer): void {
  const charter = authority.charter.payload;
  const { aud, project, job, round, slot, iat } = lease.payload;
  const it = `the lease of ${aud}`;
  const byController = charter.controllers.includes(lease.signer);
  check('LEASE_ISSUER_MISMATCH', byController, `${it} is signed by ${lease.signer}, no controller`);
  const fits = project === charter.project && job === authority.jobId && round === offer.round;
  check('LEASE_OFFER_MISMATCH', fits, `${it} does not fit the offer it names`);
  const exists = slot === 'trusted' || slot < offer.policy.of;
  check('LEASE_NO_SUCH_SLOT', exists, `${it} is for slot ${slot}, which its offer does not have`);
  const named = slot !== 'trusted' || charter.trusted.includes(aud);
  check('LEASE_NOT_TRUSTED_KEY', named, `${it} is for the trusted slot; the charter does not name that key`);
  const inTime = offer.iat - skew <= iat && iat <= offer.exp + skew;
  check('LEASE_NOT_IN_TIME', inTime, `${it} was given outside the time of its offer`);
}

/** A receipt says of itself what its lease says, and is otherwise what its parts make it. */
function checkReceipt(
  { check }: Ask,
  authority: Authority,
  receipt: VerifiedStatement<Receipt>,
  lease: Verified<Lease>,
): void {
  const { payload, signer, signers } = receipt;
  const it = `the receipt of ${signer}`;
  const own = signers.length === 1 && signer === lease.payload.aud;
  check('RECEIPT_SIGNER_MISMATCH', own, `${it} was due from ${lease.payload.aud} alone`);
  const facts = payload.predicate.quorate_receipt;
  const { project, job, offer, round, slot, fence, operator } = lease.payload;
  const leased = { project, job, offer, round, slot, fence, operator, lease: lease.id };
  const { outcome: _outcome, log: _log, sandbox: _sandbox, nonce: _nonce, link: _link, ...said } = facts;
  check('RECEIPT_LEASE_MISMATCH', idOf(leased) === idOf(said), `${it} says other things than its lease`);
  const { startedOn, finishedOn } = payload.predicate.runDetails.metadata;
  const made = makeReceipt({
    worker: signer,
    source: authority.job.source,
    files: payload.subject.slice(1).map(({ name, digest }) => ({ path: name, sha256: digest.sha256 })),
    startedOn,
    finishedOn,
    facts,
  });
  check('RECEIPT_MISMATCH', idOf(made) === receipt.id, `${it} names another source, job, builder or subject`);
}
