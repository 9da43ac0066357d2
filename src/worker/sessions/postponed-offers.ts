import { claimedPayloadOf, type Grant } from '../../protocol/documents/index.ts';
import type { Clock } from '../../protocol/sessions/ports.ts';
import { drawOf, shareReachedAfter } from '../../protocol/trust/index.ts';
import type { OfferNotice } from '../../protocol/wire/messages.ts';
import { workerSessionLimits } from './limits.ts';

/** Called once the operator may claim; `waitedMs`: how long the offer waited. */
type Take = (notice: OfferNotice, waitedMs: number) => void;

interface Waiting {
  request: string;
  notice: OfferNotice;
  cancel: () => void;
}

/**
 * Offers that this worker's operator may not claim yet, by its draw. Nothing of them is verified: most are over before it may, and
 * then an offer costs a worker that does not get it as little as reading it.
 */
export class PostponedOffers {
  readonly #clock: Clock;
  readonly #waiting = new Map<string, Waiting>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether it waits with this very text: another one with its id may be false, and so may this one. */
  has(id: string, { offer, request, publisher, job }: OfferNotice): boolean {
    const notice = this.#waiting.get(id)?.notice;
    const isSame = notice?.offer === offer && notice.request === request;
    return isSame && notice.publisher === publisher && notice.job === job;
  }

  /** Whether an offer waits for its time. False where it has to be looked at now, as where another text with its id waits. */
  put(id: string, notice: OfferNotice, grant: Grant, take: Take): boolean {
    if (this.#waiting.has(id)) return false;
    if (grant.role !== 'worker' || this.#waiting.size >= workerSessionLimits.postponedMax) return false;
    const { offer: raw, request: asked, publisher, job } = notice;
    if (raw.length + asked.length + publisher.length + job.length > workerSessionLimits.postponedCharsMax)
      return false;
    const offer = claimedPayloadOf('offer', raw);
    if (offer === undefined || grant.enrolled >= offer.index) return false;
    const waitMs = shareReachedAfter(offer, drawOf(grant.operator, offer.draw.seed));
    if (waitMs === 0) return false;
    const cancel = this.#clock.after(waitMs, () => {
      this.#waiting.delete(id);
      if (!this.#clock.closing) take(notice, waitMs);
    });
    this.#waiting.set(id, { request: offer.request, notice, cancel });
    return true;
  }

  /** The rounds of a request are over. An offer of a later round comes again with the backlog. */
  settled(request: string): void {
    for (const [id, { request: of, cancel }] of this.#waiting) {
      if (of !== request) continue;
      cancel();
      this.#waiting.delete(id);
    }
  }
}
