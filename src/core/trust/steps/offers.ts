import { type Offer, openMessage, type Verified } from '../../documents/index.ts';
import { checkOffer } from '../../judge/index.ts';
import { isRevoked } from '../evidence.ts';
import type { Ask, Authority } from './context.ts';

/** Opens the offers of this request's rounds, which must follow each other. */
export async function openOffers(ask: Ask, authority: Authority): Promise<Verified<Offer>[]> {
  const { charter, request, publisher, jobId } = authority;
  const offers: Verified<Offer>[] = [];
  for (const raw of ask.bundle.offers) {
    const offer = await openMessage('offer', raw, ask.verifier);
    checkOffer(ask.check, offer, { charter: charter.payload, request, publisher, jobId });
    checkKeys(ask, authority, offer);
    const { round, index } = offer.payload;
    const last = offers.at(-1)?.payload;
    const follows = round === offers.length + 1 && (last === undefined || last.index < index);
    ask.check('OFFER_ROUND', follows, `round ${round} does not follow the one before it`);
    offers.push(offer);
  }
  return offers;
}

/** The keys of the offer and of its request must not be revoked before the offer. */
function checkKeys({ check, revocations }: Ask, { request }: Authority, offer: Verified<Offer>): void {
  const { round, index } = offer.payload;
  for (const key of [offer.signer, request.signer]) {
    const revoked = isRevoked({ worker: key, index }, revocations);
    check('KEY_REVOKED', !revoked, `the key ${key} was revoked before the offer of round ${round}`);
  }
}
