import { assert, QuorateError } from '../core/errors.ts';
import { httpLimits } from './limits.ts';

export interface SlotBounds {
  max: number;
  /** Of one client, which is an address or the /64 of one. */
  perClientMax: number;
  /** In the plural, for the error. */
  what: string;
}

/**
 * So many of something at once: of all clients, and of one, so that one leaves room for others. Once a part of them is taken, each further one
 * is for a client that has none: a few clients that take their time leave room too.
 */
export class Slots {
  readonly #bounds: SlotBounds;
  readonly #byClient = new Map<string, number>();
  #taken = 0;

  constructor(bounds: SlotBounds) {
    assert(bounds.perClientMax <= bounds.max, 'a client has at most all slots');
    this.#bounds = bounds;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Gives it back when called, once. Errors: `HTTP_BUSY`. */
  take(client?: string): () => void {
    const release = this.tryTake(client);
    if (release !== undefined) return release;
    const whose = this.#taken >= this.#bounds.max ? '' : ' of this address';
    throw new QuorateError(
      'HTTP_BUSY',
      `too many ${this.#bounds.what}${whose} at once; try again in a moment`,
    );
  }

  /** The same; undefined where there is none. */
  tryTake(client = ''): (() => void) | undefined {
    const { max, perClientMax } = this.#bounds;
    const mine = this.#byClient.get(client) ?? 0;
    const isCrowded = this.#taken >= max * httpLimits.crowdedShare;
    if (mine >= (isCrowded ? 1 : perClientMax) || this.#taken >= max) return undefined;
    this.#taken++;
    this.#byClient.set(client, mine + 1);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#taken--;
      const left = (this.#byClient.get(client) ?? 1) - 1;
      if (left === 0) this.#byClient.delete(client);
      else this.#byClient.set(client, left);
    };
  }
}
