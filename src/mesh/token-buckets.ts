/**
 * Token buckets by key, in a table of at most `keysMax` keys. An evicted key starts full again, so `keysMax` must exceed the
 * number of connections.
 */
export class Buckets {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #keysMax: number;
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  constructor(perSecond: number, burst: number, keysMax = 10_000) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#keysMax = keysMax;
  }

  /** Takes one token; false when there is none. `now` in milliseconds. */
  take(key: string, now: number): boolean {
    const bucket = this.#refill(key, now);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  /** Takes tokens, also below zero. Returns the milliseconds until the bucket is back at zero. */
  charge(key: string, tokens: number, now: number): number {
    const bucket = this.#refill(key, now);
    bucket.tokens -= tokens;
    return bucket.tokens >= 0 ? 0 : Math.ceil((-bucket.tokens / this.#perSecond) * 1000);
  }

  /** Tokens that are left, below zero after a charge. */
  left(key: string, now: number): number {
    return this.#refill(key, now).tokens;
  }

  #refill(key: string, now: number): { tokens: number; at: number } {
    const old = this.#buckets.get(key);
    const tokens =
      old === undefined
        ? this.#burst
        : Math.min(this.#burst, old.tokens + (Math.max(0, now - old.at) / 1000) * this.#perSecond);
    const bucket = { tokens, at: now };
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.#keysMax) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    return bucket;
  }
}
