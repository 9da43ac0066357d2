import type { z } from 'zod';
import { messageOf } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { toUtf8 } from '../../core/text.ts';
import {
  decodeMessage,
  feedCharterSchema,
  feedOffersSchema,
  feedVerdictsSchema,
  type OfferNotice,
  type VerdictNotice,
} from '../../core/wire/messages.ts';
import { getText } from '../node/http-get.ts';
import type { WorkerContext } from './context.ts';

/** What the HTTP feed waits for, in milliseconds. */
export interface HttpFeedTimings {
  /** Gossip and the feed stream may both be silent this long: the stream is answered every 15 s. */
  quietMs: number;
  /** From one look to the next. */
  everyMs: number;
}
export const httpFeedTimings: HttpFeedTimings = { quietMs: 45_000, everyMs: 15_000 };

const askMsMax = 20_000;
const everyMsMax = 5 * 60_000;

/** What it needs of a worker. */
type Around = Pick<WorkerContext, 'bandwidth' | 'signal' | 'credentials' | 'tell'>;

interface Takes {
  /** Checks it as if it had been gossiped. */
  offer(notice: OfferNotice): Promise<void>;
  verdict(notice: VerdictNotice): void;
}

/**
 * The last way to hear of work: while neither gossip nor the feed stream says anything, the controller's HTTP feed is
 * asked. What it says is worth as much as what a stranger gossips, and is checked the same.
 */
export class HttpFeed {
  readonly #context: Around;
  readonly #timings: HttpFeedTimings;
  readonly #takes: Takes;
  #heardAt = Date.now();
  #failures = 0;
  /** Whose turn it is: an address that answers keeps it. */
  #turn = 0;
  #wake: () => void = () => {};
  /** Offers as they came last: one that was passed on while busy is looked at again though nothing changed. */
  #offers: OfferNotice[] = [];
  readonly #etags = new Map<string, string>();

  constructor(context: Around, timings: HttpFeedTimings, takes: Takes) {
    this.#context = context;
    this.#timings = timings;
    this.#takes = takes;
  }

  /** Something came another way. */
  heard(): void {
    this.#heardAt = Date.now();
  }

  /** There is room for work: does not wait for the next look. */
  hurry(): void {
    if (this.#failures === 0) this.#wake();
  }

  async run(): Promise<void> {
    const { signal, credentials, tell } = this.#context;
    let told = false;
    while (!signal.aborted) {
      const quietFor = Date.now() - this.#heardAt;
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
        if (signal.aborted) return;
        if (this.#failures === 0) tell('warn', 'http-feed', messageOf(error));
        this.#failures++;
        this.#turn++;
      }
      const wait = Math.min(everyMsMax, this.#timings.everyMs * 2 ** Math.min(this.#failures, 10));
      await this.#pause(wait * (0.9 + 0.2 * Math.random()));
    }
  }

  async #look(base: string): Promise<void> {
    const { credentials } = this.#context;
    const root = `${base.replace(/\/$/, '')}/v1/${credentials.membership.project}`;
    const charter = await this.#get(`${root}/charter`, feedCharterSchema, limits.documentBytesMax * 2);
    if (charter !== undefined) await credentials.learnCharter(charter.charter);
    const offers = await this.#get(`${root}/offers`, feedOffersSchema, limits.feedBytesMax);
    if (offers !== undefined) this.#offers = offers;
    for (const notice of this.#offers) await this.#takes.offer(notice);
    const verdicts = await this.#get(`${root}/verdicts`, feedVerdictsSchema, limits.feedBytesMax);
    for (const notice of verdicts ?? []) this.#takes.verdict(notice);
  }

  /** Undefined where it is what it was. */
  async #get<T>(url: string, schema: z.ZodType<T>, maxBytes: number): Promise<T | undefined> {
    const signal = AbortSignal.any([this.#context.signal, AbortSignal.timeout(askMsMax)]);
    const found = await getText(url, {
      ...{ etag: this.#etags.get(url), maxBytes, signal, down: this.#context.bandwidth.down },
    });
    if (found === 'unchanged') return undefined;
    const value = decodeMessage(toUtf8(found.text), schema, `what ${url} answers`);
    if (found.etag === undefined) this.#etags.delete(url);
    else this.#etags.set(url, found.etag);
    return value;
  }

  #pause(ms: number): Promise<void> {
    const { signal } = this.#context;
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#wake = () => {};
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener('abort', done, { once: true });
      this.#wake = done;
      if (signal.aborted) done();
    });
  }
}
