import { limits } from '../base/limits.ts';
import { type Charter, isTrustedSlot, type Lease, type Offer, type Verified } from '../documents/index.ts';
import type { Check } from './check.ts';

/**
 * Whether a controller of the project gave this lease for this offer. Whether a key of the trusted slot is one that the charter
 * names is asked when votes are counted: a receipt of one that a later charter left out is no vote. Codes, in the order of the checks:
 * `LEASE_ISSUER_MISMATCH`, `LEASE_OFFER_MISMATCH`, `LEASE_NO_SUCH_SLOT`, `LEASE_NOT_IN_TIME`.
 */
export function checkLease(
  check: Check,
  lease: Verified<Lease>,
  offer: Verified<Offer>,
  charter: Charter,
): void {
  const { aud, project, job, round, slot, iat } = lease.payload;
  const { payload: offered } = offer;
  const skew = limits.clockSkewSeconds;
  const it = `the lease of ${aud}`;
  const issued = charter.controllers.includes(lease.signer) && lease.signer === offer.signer;
  check(
    'LEASE_ISSUER_MISMATCH',
    issued,
    `${it} is signed by ${lease.signer}, not by the controller of its offer`,
  );
  const fits =
    lease.payload.offer === offer.id &&
    project === charter.project &&
    job === offered.job &&
    round === offered.round;
  check('LEASE_OFFER_MISMATCH', fits, `${it} does not fit the offer it names`);
  const exists = isTrustedSlot(slot) || slot < offered.policy.of;
  check('LEASE_NO_SUCH_SLOT', exists, `${it} is for slot ${slot}, which its offer does not have`);
  const inTime = offered.iat - skew <= iat && iat <= offered.exp + skew;
  check('LEASE_NOT_IN_TIME', inTime, `${it} was given outside the time of its offer`);
}
