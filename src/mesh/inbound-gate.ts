import { QuorateError } from '../protocol/base/errors.ts';
import { meshLimits } from './limits.ts';
import { Buckets } from './token-buckets.ts';

/** A connection whose handshake has not ended. */
export interface Arrival {
  /** The network that it comes from, see `networkOf`. */
  network: string;
  /** Its handshake may begin. */
  begin(): void;
  /** It is closed, before or within its handshake. */
  refuse(error: Error): void;
}

/**
 * Paces inbound connections before their handshake. Each network has a rate, handshakes at once, and a line for those that come faster.
 * Where all handshakes together are too many, the oldest of the network with the most of them ends, or one that has had `handshakeMs`;
 * where all that wait are, the newest of the longest line does.
 */
export class InboundGate {
  readonly #now: () => number;
  readonly #rate: Buckets;
  /** Handshakes by network, with when they began, the oldest first. */
  readonly #pending = new Map<string, Map<Arrival, number>>();
  readonly #waiting = new Map<string, Arrival[]>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  #pendingCount = 0;
  #waitingCount = 0;
  /** Connections that were closed before their handshake had ended, since the start. */
  refused = 0;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#rate = new Buckets(meshLimits.inboundPerSecond, meshLimits.inboundPerSecond);
  }

  /** Begins the handshake at once, later, or refuses it. `leave` has to be called at its end. */
  enter(arrival: Arrival): void {
    const { network } = arrival;
    const line = this.#waiting.get(network) ?? [];
    if (line.length >= meshLimits.waitingPerNetworkMax)
      return this.#refuse(arrival, `too many connections of ${network} wait for their handshake`);
    line.push(arrival);
    this.#waiting.set(network, line);
    this.#waitingCount += 1;
    this.#advance(network);
    if (this.#waitingCount > meshLimits.waitingInboundMax) this.#shorten(line);
  }

  /** The handshake has ended, or the connection was closed while it waited. */
  leave(arrival: Arrival): void {
    const { network } = arrival;
    const line = this.#waiting.get(network);
    const at = line?.indexOf(arrival) ?? -1;
    if (at >= 0) {
      line?.splice(at, 1);
      this.#waitingCount -= 1;
    } else this.#end(arrival);
    this.#advance(network);
  }

  close(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    const waiting = [...this.#waiting.values()].flat();
    // The lists are emptied first: a connection that is refused calls `leave`.
    this.#waiting.clear();
    this.#waitingCount = 0;
    for (const arrival of waiting) arrival.refuse(new Error('this node is closing'));
  }

  /** Begins those of the line whose turn it is. */
  #advance(network: string): void {
    const line = this.#waiting.get(network);
    if (line === undefined) return;
    const { pendingPerNetworkMax, inboundPerSecond } = meshLimits;
    for (;;) {
      const [next] = line;
      if (next === undefined) return void this.#waiting.delete(network);
      const handshakes = this.#pending.get(network)?.size ?? 0;
      // The end of one of them calls this again.
      if (handshakes >= pendingPerNetworkMax) return;
      if (!this.#rate.take(network, this.#now())) {
        this.#later(network, 1000 / inboundPerSecond);
        return;
      }
      line.shift();
      this.#waitingCount -= 1;
      if (this.#makeRoom(handshakes)) this.#begin(next);
      else this.#refuse(next, 'too many connections are in their handshake');
    }
  }

  #begin(arrival: Arrival): void {
    const handshakes = this.#pending.get(arrival.network) ?? new Map<Arrival, number>();
    this.#pending.set(arrival.network, handshakes.set(arrival, this.#now()));
    this.#pendingCount += 1;
    arrival.begin();
  }

  #end(arrival: Arrival): void {
    const handshakes = this.#pending.get(arrival.network);
    if (handshakes?.delete(arrival) !== true) return;
    this.#pendingCount -= 1;
    if (handshakes.size === 0) this.#pending.delete(arrival.network);
  }

  /** Whether one more handshake fits, of a network that has `own` of them. */
  #makeRoom(own: number): boolean {
    if (this.#pendingCount < meshLimits.pendingInboundMax) return true;
    const found = this.#greediest(own) ?? this.#late();
    if (found === undefined) return false;
    this.#end(found);
    this.#refuse(found, 'others need the room');
    return true;
  }

  /** The oldest handshake of the network with the most, where it has more than one that has `own` and one more. */
  #greediest(own: number): Arrival | undefined {
    const [most] = [...this.#pending.values()].sort((a, b) => b.size - a.size);
    const [oldest] = most?.keys() ?? [];
    return (most?.size ?? 0) > own + 1 ? oldest : undefined;
  }

  /** The oldest of all, where it has had its time: whoever has many networks opens one in each. */
  #late(): Arrival | undefined {
    const oldest = [...this.#pending.values()].flatMap((handshakes) => [...handshakes].slice(0, 1));
    const [first] = oldest.sort(([, a], [, b]) => a - b);
    if (first === undefined || this.#now() - first[1] < meshLimits.handshakeMs) return undefined;
    return first[0];
  }

  /** The newest of the longest line leaves; of this one where none is longer. */
  #shorten(own: Arrival[]): void {
    const lines = [...this.#waiting.values()];
    const longest = lines.reduce((most, line) => (line.length > most.length ? line : most), own);
    const newest = longest.pop();
    if (newest === undefined) return;
    this.#waitingCount -= 1;
    this.#refuse(newest, 'too many connections wait for their handshake');
    this.#advance(newest.network);
  }

  #later(network: string, ms: number): void {
    if (this.#timers.has(network)) return;
    const again = () => {
      this.#timers.delete(network);
      this.#advance(network);
    };
    this.#timers.set(network, setTimeout(again, ms).unref());
  }

  #refuse(arrival: Arrival, says: string): void {
    this.refused += 1;
    arrival.refuse(new QuorateError('MESH_BUSY', says));
  }
}
