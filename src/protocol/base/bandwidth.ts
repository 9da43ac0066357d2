import { limits } from './limits.ts';

/** Bytes that may move in one direction, over all connections together. A sender of more than is left waits. */
export class Rate {
  #perSecond: number | undefined;
  /** Bytes that may move at once; below zero what was moved too early. */
  #left = 0;
  #at = 0;

  constructor(perSecond?: number) {
    this.#perSecond = perSecond;
  }

  /** Undefined: as much as there is. */
  get perSecond(): number | undefined {
    return this.#perSecond;
  }

  set perSecond(perSecond: number | undefined) {
    this.#perSecond = perSecond;
    this.#left = 0;
  }

  /** Milliseconds until more may move. `now` in milliseconds. */
  wait(now: number): number {
    const rate = this.#perSecond;
    if (rate === undefined) return 0;
    const burst = (rate * limits.bandwidthBurstMs) / 1000;
    this.#left = Math.min(burst, this.#left + (Math.max(0, now - this.#at) * rate) / 1000);
    this.#at = now;
    return this.#left > 0 ? 0 : Math.max(1, Math.ceil((-this.#left / rate) * 1000));
  }

  /** These bytes have moved. Milliseconds until more may. */
  charge(bytes: number, now: number): number {
    this.wait(now);
    this.#left -= bytes;
    return this.wait(now);
  }
}

/** Rates at which a node may send and receive, by its machine's owner. */
export class Bandwidth {
  readonly up = new Rate();
  readonly down = new Rate();
}
