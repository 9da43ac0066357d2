import { idOf, type Offer, openMessage, type Verified } from '../../documents/index.ts';
import { limits } from '../../limits.ts';
import { isRevoked } from '../evidence.ts';
import type { Ask, Authority } from './context.ts';

const skew = limits.clockSkewSeconds;

/** The rounds the controller opened for this request, in order. */
export async function openOffers(ask: Ask, authority: Authority): Promise<Verified<Offer>[]> {
  const offers: Verified<Offer>[] = [];
  for (const raw of ask.bundle.offers) {
    const offer = await openMessage('offer', raw, ask.verifier);
    checkOffer(ask, authority, offer);
    const { round, index } = offer.payload;
    const last = offers.at(-1)?.payload;
    const follows = round === offers.length + 1 && (last === undefined || last.index < index);
    ask.check('OFFER_ROUND', follows, `round ${round} does not follow the one before it`);
    offers.push(offer);
  }
  return offers;
}

function checkOffer({ check, revocations }: Ask, authority: Authority, offer: Verified<Offer>): void {
  const { charter, request, jobId } = authority;
  const { round, index, iat, project, job, policy } = offer.payload;
  const it = `the offer of round ${round}`;
  const byController = charter.payload.controllers.includes(offer.signer);
  check('OFFER_ISSUER_MISMATCH', byController, `${it} is signed by ${offer.signer}, no controller`);
  for (const key of [offer.signer, request.signer]) {
    const revoked = isRevoked({ worker: key, index }, revocations);
    check('KEY_REVOKED', !revoked, `the key ${key} was revoked before ${it}`);
  }
  check('OFFER_PROJECT_MISMATCH', project === charter.payload.project, `${it} is of another project`);
  check('OFFER_REQUEST_MISMATCH', offer.payload.request === request.id, `${it} is for another request`);
  check('OFFER_JOB_MISMATCH', job === jobId, `${it} is for another job`);
  const asked = request.payload;
  check(
    'OFFER_POLICY_MISMATCH',
    idOf(policy) === idOf(asked.policy),
    `${it} has another policy than its request`,
  );
  const inTime = asked.iat - skew <= iat && iat <= asked.exp + skew;
  check('OFFER_NOT_IN_TIME', inTime, `${it} was made outside the time of its request`);
  check('OFFER_ROUND', round <= asked.policy.rounds, `the policy allows ${asked.policy.rounds} rounds`);
}
