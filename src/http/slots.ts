import { assert, QuorateError } from '../protocol/base/errors.ts';
import { httpLimits } from './limits.ts';

interface SlotBounds {
  max: number;
  /** Of one client, which is an address or the /64 of one. */
  perClientMax: number;
  /** In the plural, for the error. */
  what: string;
}

export interface Holder {
  end(): void;
  /** Whether its client reads it more slowly than whoever asks here is expected to. */
  isSlow(): boolean;
}

interface Slot {
  client: string;
  holder: Holder | undefined;
}

/**
 * So many of something at once: of all clients, and of one, so that one leaves room for others. Once a part of them is taken, each further one
 * is for a client that has none: a few clients that take their time leave room too. Where all are taken, an answer that is read slowly
 * gives its slot to the next one.
 */
export class Slots {
  readonly #bounds: SlotBounds;
  readonly #byClient = new Map<string, Set<Slot>>();
  readonly #slots = new Set<Slot>();

  constructor(bounds: SlotBounds) {
    assert(bounds.perClientMax <= bounds.max, 'a client has at most all slots');
    this.#bounds = bounds;
  }

  get taken(): number {
    return this.#slots.size;
  }

  /** Takes a slot; the returned function gives it back. `holder`: the answer that may be ended for another one. @throws `HTTP_BUSY`. */
  take(client?: string, holder?: Holder): () => void {
    const release = this.tryTake(client, holder);
    if (release !== undefined) return release;
    const whose = this.#slots.size >= this.#bounds.max ? '' : ' of this address';
    throw new QuorateError(
      'HTTP_BUSY',
      `too many ${this.#bounds.what}${whose} at once; try again in a moment`,
    );
  }

  /** The same; undefined where there is none. */
  tryTake(client = '', holder?: Holder): (() => void) | undefined {
    const { max, perClientMax } = this.#bounds;
    const mine = this.#byClient.get(client) ?? new Set();
    const isCrowded = this.#slots.size >= max * httpLimits.crowdedShare;
    if (mine.size >= (isCrowded ? 1 : perClientMax)) return undefined;
    if (this.#slots.size >= max && !this.#makeRoom()) return undefined;
    const slot = { client, holder };
    this.#slots.add(slot);
    this.#byClient.set(client, mine.add(slot));
    return () => this.#release(slot);
  }

  #release(slot: Slot): void {
    this.#slots.delete(slot);
    const left = this.#byClient.get(slot.client);
    left?.delete(slot);
    if (left?.size === 0) this.#byClient.delete(slot.client);
  }

  #makeRoom(): boolean {
    const slow = [...this.#slots].find(({ holder }) => holder?.isSlow() === true);
    if (slow === undefined) return false;
    this.#release(slow);
    slow.holder?.end();
    return true;
  }
}
