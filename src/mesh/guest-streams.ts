import { addToSet, dropFrom } from '../protocol/base/maps.ts';

/**
 * Open streams of guests on one protocol, by network. Where all guests have as many as they may, the network with the most gives its
 * oldest for one of a network with fewer.
 */
export class GuestStreams<S> {
  readonly #perNetwork: number;
  readonly #inAll: number;
  /** Open streams by network, the oldest first. */
  readonly #of = new Map<string, Set<S>>();
  readonly #networks = new Map<S, string>();

  constructor({ perNetwork, inAll }: { perNetwork: number; inAll: number }) {
    this.#perNetwork = perNetwork;
    this.#inAll = inAll;
  }

  /** Whether there is room for one more of this network, and the stream that has to end for it. */
  roomFor(network: string): { isFull: boolean; ends?: S } {
    const own = this.#of.get(network)?.size ?? 0;
    if (own >= this.#perNetwork) return { isFull: true };
    if (this.#networks.size < this.#inAll) return { isFull: false };
    const most = [...this.#of.values()].reduce((a, b) => (b.size > a.size ? b : a), new Set<S>());
    const [ends] = most;
    return most.size > own + 1 && ends !== undefined ? { isFull: false, ends } : { isFull: true };
  }

  add(network: string, stream: S): void {
    addToSet(this.#of, network, stream);
    this.#networks.set(stream, network);
  }

  /** A stream that has ended, or was given up, counts no more. */
  delete(stream: S): void {
    dropFrom(this.#of, this.#networks.get(stream) ?? '', stream);
    this.#networks.delete(stream);
  }
}
