import { claimedPayloadOf, type Grant } from '../../protocol/documents/index.ts';
import { sessionTimes } from '../../protocol/sessions/limits.ts';
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
  /** Looks at the offer; undefined until the operator may claim. */
  take: (() => void) | undefined;
}

/**
 * Offers that this worker's operator may not claim yet, by its draw, or need not, since those who were asked first took all slots. Nothing
 * of them is verified: an offer costs a worker that does not get it as little as reading it.
 */
export class PostponedOffers {
  readonly #clock: Clock;
  readonly #waiting = new Map<string, Waiting>();
  /** Offers with a free slot, as the controller said last; undefined where it says nothing of that, or is not there. */
  #free: ReadonlySet<string> | undefined;
  /** Monotonic time since when there is no feed. */
  #lostAt: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether it waits with this very text: another one with its id may be false, and so may this one. */
  has(id: string, { offer, request, publisher, job }: OfferNotice): boolean {
    const notice = this.#waiting.get(id)?.notice;
    const isSame = notice?.offer === offer && notice.request === request;
    return isSame && notice.publisher === publisher && notice.job === job;
  }

  /**
   * Whether an offer waits for its time. False where it has to be looked at now, as where another text with its id waits. Of one too many
   * whose slots are taken nothing is kept: it comes again when one of them is free.
   */
  put(id: string, notice: OfferNotice, grant: Grant, take: Take): boolean {
    if (this.#waiting.has(id)) return false;
    if (grant.role !== 'worker') return false;
    const { offer: raw, request: asked, publisher, job } = notice;
    if (raw.length + asked.length + publisher.length + job.length > workerSessionLimits.postponedCharsMax)
      return false;
    const offer = claimedPayloadOf('offer', raw);
    if (offer === undefined || grant.enrolled >= offer.index) return false;
    const waitMs = shareReachedAfter(offer, drawOf(grant.operator, offer.draw.seed));
    if (waitMs === 0) return false;
    if (this.#waiting.size >= workerSessionLimits.postponedMax) {
      if (this.#free?.has(id) === false) return true;
      if (!this.#dropFilled()) return false;
    }
    const waiting: Waiting = { request: offer.request, notice, cancel: () => {}, take: undefined };
    const look = () => {
      this.#waiting.delete(id);
      if (!this.#clock.closing) take(notice, waitMs);
    };
    waiting.cancel = this.#clock.after(waitMs, () => {
      if (this.#free?.has(id) !== false) look();
      else waiting.take = look;
    });
    this.#waiting.set(id, waiting);
    return true;
  }

  /** The controller says which offers have a free slot, in each answer of its feed. Undefined: it says nothing of that. */
  told(free: readonly string[] | undefined): void {
    this.#free = free && new Set(free);
    this.#lostAt = undefined;
    for (const [id, { take }] of [...this.#waiting]) if (this.#free?.has(id) !== false) take?.();
  }

  /** There is no feed, now and at each further attempt: after `feedSilenceMs` the schedule alone says who may claim. */
  lost(): void {
    const now = this.#clock.monotonic();
    this.#lostAt ??= now;
    if (now - this.#lostAt >= sessionTimes.feedSilenceMs) this.told(undefined);
  }

  /** Forgets the oldest offer whose slots were taken. It comes again when one of them is free. */
  #dropFilled(): boolean {
    for (const [id, { take }] of this.#waiting) if (take !== undefined) return this.#waiting.delete(id);
    return false;
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
