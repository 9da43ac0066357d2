import type { ServerResponse } from 'node:http';
import { Buckets } from '../mesh/token-buckets.ts';
import { QuorateError } from '../protocol/base/errors.ts';
import { httpLimits } from './limits.ts';
import { leastPrice } from './prices.ts';

export interface AccountBounds {
  /** Tokens of a client in the long run, and at once. See `prices.ts` for the worth of one. */
  requestsPerSecond: number;
  requestsBurst: number;
}

export class TooManyRequests extends QuorateError {
  readonly retrySeconds: number;

  constructor(retrySeconds: number) {
    super(
      'HTTP_TOO_MANY_REQUESTS',
      'too many requests, or too dear ones, from this address; try again in some seconds',
    );
    this.retrySeconds = retrySeconds;
  }
}

export interface Account {
  /** Takes a price before the work is done. @throws TooManyRequests */
  pay(price: number): void;
  /** Counts bytes of an answer. Returns ms to wait before more, so that a stream leaves half of the burst. @param weight factor of the price */
  sent(bytes: number, weight?: number): number;
  readonly isWaiting: boolean;
}

export class Accounts {
  readonly #bounds: AccountBounds;
  readonly #own: Buckets;
  readonly #share: EqualShares;

  constructor(bounds: AccountBounds) {
    this.#bounds = bounds;
    const { requestsPerSecond, requestsBurst } = bounds;
    this.#own = new Buckets(requestsPerSecond, requestsBurst);
    this.#share = new EqualShares(Math.max(requestsPerSecond * httpLimits.fullClients, requestsBurst));
  }

  /** Tokens that a client has left; below zero after large answers. */
  left(client: string): number {
    return this.#own.left(client, performance.now());
  }

  /** `response` gets the fields that say how much is left. */
  of(client: string, response: ServerResponse): Account {
    const { requestsPerSecond, requestsBurst } = this.#bounds;
    const [own, share] = [this.#own, this.#share];
    const left = () => this.left(client);
    const waitMs = () => Math.max(0, ((requestsBurst / 2 - left()) / requestsPerSecond) * 1000);
    return {
      pay: (price) => {
        if (price <= 0) return;
        const now = performance.now();
        const had = left();
        const isTaken = had >= price && share.take(client, price, now);
        if (isTaken) own.charge(client, price, now);
        this.#say(response, left());
        if (!isTaken) throw new TooManyRequests(Math.max(1, Math.ceil((price - had) / requestsPerSecond)));
      },
      sent: (bytes, weight = 1) => {
        const price = (bytes * weight) / httpLimits.bytesPerRequest;
        const now = performance.now();
        own.charge(client, price, now);
        share.count(client, price, now);
        return Math.min(waitMs(), httpLimits.streamWaitMsMax);
      },
      get isWaiting() {
        return waitMs() > 0;
      },
    };
  }

  /** Tokens left, as draft-ietf-httpapi-ratelimit-headers-10: `q` requests in `w` seconds; `r` left, all again after `t` seconds. */
  #say(response: ServerResponse, left: number): void {
    if (response.headersSent) return;
    const { requestsPerSecond: perSecond, requestsBurst: burst } = this.#bounds;
    response.setHeader('ratelimit-policy', `"address";q=${burst};w=${Math.ceil(burst / perSecond)}`);
    const [remaining, seconds] = [Math.max(0, Math.floor(left)), Math.ceil((burst - left) / perSecond)];
    response.setHeader('ratelimit', `"address";r=${remaining};t=${seconds}`);
  }
}

const windowMs = 1_000;

/** Tokens of all clients in a second. Once used up, each client has an equal part; its first request of a second is always answered. */
class EqualShares {
  readonly #perWindow: number;
  #end = 0;
  #used = new Map<string, number>();
  #total = 0;
  /** Clients of the window before. */
  #before = 0;

  constructor(perSecond: number) {
    this.#perWindow = perSecond;
  }

  /** False, and nothing is counted, where the client has had its part. `now` in milliseconds. */
  take(client: string, price: number, now: number): boolean {
    this.#open(now);
    const mine = this.#used.get(client) ?? 0;
    const part = this.#perWindow / Math.max(1, this.#before, this.#used.size);
    if (mine > leastPrice && this.#total + price > this.#perWindow && mine + price > part) return false;
    this.count(client, price, now);
    return true;
  }

  count(client: string, price: number, now: number): void {
    this.#open(now);
    this.#used.set(client, (this.#used.get(client) ?? 0) + price);
    this.#total += price;
  }

  #open(now: number): void {
    if (now < this.#end) return;
    this.#before = now < this.#end + windowMs ? this.#used.size : 0;
    this.#end = now + windowMs;
    this.#used = new Map();
    this.#total = 0;
  }
}
