import { type Offer, openMessage, type Verified } from '../../documents/index.ts';
import { checkOffer } from '../../judge/index.ts';
import type { Ask, Authority } from './context.ts';

/** Opens the offers of this request's rounds, which must follow each other. */
export async function openOffers(ask: Ask, authority: Authority): Promise<Verified<Offer>[]> {
  const { charter, request, publisher, jobId } = authority;
  const offers: Verified<Offer>[] = [];
  for (const raw of ask.bundle.offers) {
    const offer = await openMessage('offer', raw, ask.verifier);
    checkOffer(ask.check, offer, { charter: charter.payload, request, publisher, jobId });
    const { round, index } = offer.payload;
    const last = offers.at(-1)?.payload;
    const follows = round === offers.length + 1 && (last === undefined || last.index < index);
    ask.check('OFFER_ROUND', follows, `round ${round} does not follow the one before it`);
    offers.push(offer);
  }
  return offers;
}
