import { keepNewest } from '../protocol/base/maps.ts';
import { meshLimits } from './limits.ts';

/** Token buckets by key. An evicted key starts full again, so `keysMax` must exceed the number of connections. */
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
    const { tokens, at } = this.#buckets.get(key) ?? { tokens: this.#burst, at: now };
    const earned = (Math.max(0, now - at) / 1000) * this.#perSecond;
    const bucket = { tokens: Math.min(this.#burst, tokens + earned), at: now };
    keepNewest(this.#buckets, key, bucket, this.#keysMax);
    return bucket;
  }
}

/** Turns of each account at a node: a turn is about a millisecond of its processor time. `now` in milliseconds. */
export class Turns extends Buckets {
  constructor() {
    super(meshLimits.turnsPerSecond, meshLimits.turnsBurst);
  }

  /** Whether nothing more is done for an account now. What is refused is not charged, or the others of a network would pay for it. */
  owes(account: string, now: number): boolean {
    return this.left(account, now) < -meshLimits.owedTurnsMax;
  }
}
