import type { z } from 'zod';
import { messageOf } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { toUtf8 } from '../../protocol/base/text.ts';
import { claimedIdOf } from '../../protocol/documents/index.ts';
import type { RevocationList } from '../../protocol/judge/index.ts';
import { sessionTimes } from '../../protocol/sessions/limits.ts';
import { spread } from '../../protocol/sessions/timing.ts';
import { transparencyLimits } from '../../protocol/transparency/index.ts';
import {
  checkpointNoticeSchema,
  decodeMessage,
  feedCharterSchema,
  feedOffersSchema,
  feedVerdictsSchema,
  type OfferNotice,
  revocationListSchema,
  type VerdictNotice,
} from '../../protocol/wire/messages.ts';
import { workerSessionLimits } from './limits.ts';
import type { WorkerPorts } from './ports.ts';

/** Waits of the HTTP feed, in milliseconds. */
export interface HttpFeedTimings {
  /** Gossip and the feed stream may both be silent this long: the stream is answered every 15 s. */
  quietMs: number;
  /** Between two requests. */
  everyMs: number;
}
export const httpFeedTimings: HttpFeedTimings = { quietMs: 45_000, everyMs: 15_000 };

type Around = Pick<WorkerPorts, 'clock' | 'credentials' | 'httpGet' | 'signing' | 'tell'>;

interface Takes {
  /** Checks it like a gossiped offer. */
  offer(notice: OfferNotice): Promise<void>;
  verdict(notice: VerdictNotice): void;
  revocations(list: RevocationList): Promise<unknown>;
  checkpoint(note: string): void;
}

/** Asks the controller's HTTP feed while gossip and the feed stream are both silent. Its answers are checked like gossip. */
export class HttpFeed {
  readonly #ports: Around;
  readonly #timings: HttpFeedTimings;
  readonly #takes: Takes;
  #heardAt: number;
  #failures = 0;
  /** Index of the address to ask; an address that answers keeps its turn. */
  #turn = 0;
  #wake: () => void = () => {};
  /** The last offers by URL: one that was passed on while busy is considered again although nothing changed. */
  #pages = new Map<string, OfferNotice[]>();
  /** By URL of a page of revocations: `next` of its last answer. */
  #follows = new Map<string, string | undefined>();
  readonly #etags = new Map<string, string>();

  constructor(ports: Around, timings: HttpFeedTimings, takes: Takes) {
    this.#ports = ports;
    this.#heardAt = ports.clock.monotonic();
    this.#timings = timings;
    this.#takes = takes;
  }

  /** A message came by gossip or by the feed stream. */
  heard(): void {
    this.#heardAt = this.#ports.clock.monotonic();
  }

  /** Asks at once, unless the last attempt failed: there is room for work. */
  hurry(): void {
    if (this.#failures === 0) this.#wake();
  }

  async run(): Promise<void> {
    const { clock, credentials, tell } = this.#ports;
    let told = false;
    while (!clock.closing) {
      const quietFor = clock.monotonic() - this.#heardAt;
      const { feed = [] } = credentials.membership;
      if (quietFor < this.#timings.quietMs || feed.length === 0) {
        told = false;
        await this.#pause(Math.max(this.#timings.quietMs - quietFor, this.#timings.everyMs));
        continue;
      }
      if (!told) tell('info', 'http-feed', 'heard nothing for a while; asking by HTTP', { feed });
      told = true;
      try {
        await this.#look(feed[this.#turn % feed.length] ?? '');
        this.#failures = 0;
      } catch (error) {
        if (clock.closing) return;
        if (this.#failures === 0) tell('warn', 'http-feed', messageOf(error));
        this.#failures++;
        this.#turn++;
      }
      const wait = Math.min(
        sessionTimes.httpEveryMsMax,
        this.#timings.everyMs * 2 ** Math.min(this.#failures, 10),
      );
      await this.#pause(wait * spread(this.#ports.signing));
    }
  }

  async #look(base: string): Promise<void> {
    const { credentials } = this.#ports;
    const root = `${base.replace(/\/$/, '')}/v1/${credentials.membership.project}`;
    const charter = await this.#get(`${root}/charter`, feedCharterSchema, limits.documentBytesMax * 2);
    if (charter !== undefined) await credentials.learnCharter(charter.charter);
    await this.#lookAtRevocations(`${root}/revocations`);
    await this.#lookAtOffers(`${root}/offers`);
    const verdicts = await this.#get(`${root}/verdicts`, feedVerdictsSchema, limits.feedBytesMax);
    for (const notice of verdicts ?? []) this.#takes.verdict(notice);
    const { checkpointCharsMax } = transparencyLimits;
    const checkpoint = await this.#get(`${root}/checkpoint`, checkpointNoticeSchema, 2 * checkpointCharsMax);
    if (checkpoint !== undefined) this.#takes.checkpoint(checkpoint.note);
  }

  /** Goes through all revocations, page by page. */
  async #lookAtRevocations(first: string): Promise<void> {
    const follows = new Map<string, string | undefined>();
    try {
      for (let url = first; !follows.has(url) && follows.size < limits.revocationPagesMax; ) {
        const page = await this.#get(url, revocationListSchema, limits.feedBytesMax);
        if (page !== undefined) await this.#takes.revocations(page);
        const next = page === undefined ? this.#follows.get(url) : page.next;
        follows.set(url, next);
        if (next === undefined) break;
        url = `${first}?after=${next}`;
      }
    } finally {
      for (const url of this.#follows.keys()) if (!follows.has(url)) this.#etags.delete(url);
      this.#follows = follows;
    }
  }

  /** Goes through all open offers, page by page: each is asked for with the last offer of the one before. */
  async #lookAtOffers(first: string): Promise<void> {
    const pages = new Map<string, OfferNotice[]>();
    try {
      for (let url = first; !pages.has(url) && pages.size < workerSessionLimits.offerPagesMax; ) {
        const fresh = await this.#get(url, feedOffersSchema, limits.feedBytesMax);
        const page = fresh ?? this.#pages.get(url) ?? [];
        pages.set(url, page);
        for (const notice of page) await this.#takes.offer(notice);
        const last = page.at(-1);
        const after = last === undefined ? undefined : claimedIdOf(last.offer);
        if (after === undefined) break;
        url = `${first}?after=${after}`;
      }
    } finally {
      for (const url of this.#pages.keys()) if (!pages.has(url)) this.#etags.delete(url);
      this.#pages = pages;
    }
  }

  /** Undefined where the answer is unchanged. */
  async #get<T>(url: string, schema: z.ZodType<T>, maxBytes: number): Promise<T | undefined> {
    const etag = this.#etags.get(url);
    const found = await this.#ports.httpGet(url, { etag, maxBytes, timeoutMs: sessionTimes.answerMs });
    if (found === 'unchanged') return undefined;
    const value = decodeMessage(toUtf8(found.text), schema, `what ${url} answers`);
    if (found.etag === undefined) this.#etags.delete(url);
    else this.#etags.set(url, found.etag);
    return value;
  }

  #pause(ms: number): Promise<void> {
    const { clock } = this.#ports;
    return new Promise((resolve) => {
      let forget = () => {};
      const done = () => {
        cancel();
        forget();
        this.#wake = () => {};
        resolve();
      };
      const cancel = clock.after(ms, done);
      this.#wake = done;
      forget = clock.onClosing(done);
    });
  }
}
