import { limits } from '../../protocol/base/limits.ts';
import type { OfferNotice } from '../../protocol/wire/messages.ts';

/** One stream's round-robin through the backlog: each answer goes on after the last one, so that latecomers get all offers. */
export class BacklogPass {
  readonly #backlog: ReadonlyMap<string, OfferNotice>;
  /** Ids that were sent in this pass. */
  readonly #sent = new Set<string>();

  /** `backlog`: open offers by id, oldest first. */
  constructor(backlog: ReadonlyMap<string, OfferNotice>) {
    this.#backlog = backlog;
  }

  /** At most `limits.feedOffersMax` offers, and whether the pass goes on. */
  next(): { offers: OfferNotice[]; more: boolean } {
    const offers: OfferNotice[] = [];
    for (const [id, notice] of this.#backlog) {
      if (this.#sent.has(id)) continue;
      if (offers.length === limits.feedOffersMax) return { offers, more: true };
      this.#sent.add(id);
      offers.push(notice);
    }
    this.#sent.clear();
    return { offers, more: false };
  }
}

/** At most `limits.feedOffersMax` of the open offers, by id: the oldest, or those that follow `after`; none where that one is not open. */
export function offersAfter(
  backlog: ReadonlyMap<string, OfferNotice>,
  after: string | undefined,
): OfferNotice[] {
  const found: OfferNotice[] = [];
  let follows = after === undefined;
  for (const [id, notice] of backlog) {
    if (follows) found.push(notice);
    if (found.length >= limits.feedOffersMax) break;
    follows ||= id === after;
  }
  return found;
}
