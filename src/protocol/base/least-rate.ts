import { limits } from './limits.ts';

/** Notices a sender that keeps a transfer open and sends next to nothing. The time counts in which its bytes are waited for, no other. */
export class LeastRate {
  readonly #windowMs: number;
  #bytes = 0;
  #waitedMs = 0;

  constructor(windowMs: number = limits.leastRateMs) {
    this.#windowMs = windowMs;
  }

  /** These bytes came after this wait. Returns whether those of a whole window were too few. */
  isBelow(bytes: number, waitedMs: number): boolean {
    this.#bytes += bytes;
    this.#waitedMs += waitedMs;
    if (this.#waitedMs < this.#windowMs) return false;
    const isBelow = this.#bytes * 1000 < limits.leastRateBytes * this.#waitedMs;
    this.#bytes = 0;
    this.#waitedMs = 0;
    return isBelow;
  }
}
