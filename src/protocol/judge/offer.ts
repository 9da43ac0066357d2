import { limits } from '../base/limits.ts';
import { counted, sizeTexts } from '../base/quantity.ts';
import {
  type Capabilities,
  type Charter,
  checkTime,
  isTrustedSlot,
  type Lease,
  type Offer,
  sameValue,
  type Verified,
} from '../documents/index.ts';
import type { Check } from './check.ts';
import { checkGrant } from './grant.ts';
import { checkJob, checkRequest, type Order } from './request.ts';

/** Whether a controller gave this lease for this offer. That a trusted slot's key is in the charter is asked when votes are counted. */
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

/** The need of a job that a host does not meet, with both amounts; undefined where it meets all. */
export function lackOf(needs: Offer['needs'], has: Capabilities): string | undefined {
  if (needs.arch !== has.arch) return `the job is for ${needs.arch}, the host is ${has.arch}`;
  if (needs.cpus > has.cpus) return `the job wants ${counted(needs.cpus, 'cpu')}, the host lends ${has.cpus}`;
  for (const [what, wants, lends] of [
    ['memory', needs.memoryBytes, has.memoryBytes],
    ['disk', needs.diskBytes, has.diskBytes],
  ] as const) {
    if (wants <= lends) continue;
    const [wanted, lent] = sizeTexts(wants, lends);
    return `the job wants ${wanted} of ${what}, the host lends ${lent}`;
  }
  return undefined;
}

/** Whether a worker that takes no slot, for this reason, claims one as soon as it has room: then the reason begins so. */
export const isBusy = (reason: string): boolean => /^busy\b/.test(reason);

/** Code: `OFFER_ISSUER_MISMATCH`. */
export function checkOfferIssuer(check: Check, offer: Verified<Offer>, charter: Charter): void {
  check(
    'OFFER_ISSUER_MISMATCH',
    charter.controllers.includes(offer.signer),
    `the offer of round ${offer.payload.round} is signed by ${offer.signer}, no controller of the charter`,
  );
}

/**
 * Whether the asked controller made this offer for this request, with nothing else in it, while the publisher's grant was good.
 * Later rounds open as long as the request stands.
 */
export function checkOffer(
  check: Check,
  offer: Verified<Offer>,
  {
    charter,
    request,
    publisher,
    jobId,
  }: { charter: Charter } & Pick<Order, 'request' | 'publisher' | 'jobId'>,
): void {
  const { round, iat, project, job, policy, charter: epoch } = offer.payload;
  const asked = request.payload;
  const skew = limits.clockSkewSeconds;
  const it = `the offer of round ${round}`;
  checkOfferIssuer(check, offer, charter);
  check('OFFER_PROJECT_MISMATCH', project === charter.project, `${it} is of another project`);
  check(
    'OFFER_CHARTER_NEWER',
    epoch <= charter.epoch,
    `${it} was made under the charter of epoch ${epoch}; the one at hand is of epoch ${charter.epoch}`,
  );
  check('OFFER_REQUEST_MISMATCH', offer.payload.request === request.id, `${it} is for another request`);
  check(
    'REQUEST_AUDIENCE_MISMATCH',
    offer.signer === asked.aud,
    `the request of ${it} is made to ${asked.aud}`,
  );
  check('OFFER_JOB_MISMATCH', job === jobId, `${it} is for another job`);
  const samePolicy = sameValue(policy, asked.policy);
  check('OFFER_POLICY_MISMATCH', samePolicy, `${it} has another policy than its request`);
  const inTime = asked.iat - skew <= iat && iat <= asked.exp + skew;
  check('OFFER_NOT_IN_TIME', inTime, `${it} was made outside the time of its request`);
  check('OFFER_ROUND', round <= asked.policy.rounds, `the policy allows ${asked.policy.rounds} rounds`);
  if (round === 1) checkGrant(check, publisher, charter, { by: request.signer, as: 'publisher', at: iat });
}

/** Everything that a worker checks before it claims, at `now` (ms since the epoch). */
export function checkOffered(
  check: Check,
  offer: Verified<Offer>,
  order: Order,
  { charter, now }: { charter: Charter; now: number },
): void {
  const { request } = order;
  checkOfferIssuer(check, offer, charter);
  checkTime(offer.payload, now, 'the offer');
  checkTime(request.payload, now, 'the request');
  checkOffer(check, offer, { charter, ...order });
  checkRequest(check, order, charter);
  checkJob(check, request.payload, order, charter);
}
