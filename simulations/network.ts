import type { Random } from './random.ts';
import type { Rates } from './rates.ts';
import type { Scheduler } from './scheduler.ts';

/** Who is on the network. `life` grows with each restart: what was meant for an earlier one is lost. */
export interface Node {
  readonly name: string;
  readonly id: string;
  readonly up: boolean;
  readonly life: number;
  accept(protocol: string, end: End): void;
}

interface Side {
  node: Node;
  life: number;
  /** Arrival of the last message to this side: a stream keeps its order. */
  lastArrival: number;
  closed: boolean;
  message: (message: never) => Promise<void> | void;
  onClosed: () => Promise<void> | void;
}

/** One end of a stream: reliable and in order until it breaks, which it may at any moment. */
export interface End {
  /** Who is at the other end, authenticated. */
  readonly peer: string;
  readonly open: boolean;
  send(message: unknown): void;
  close(): void;
  /** Messages of one stream have the shape its protocol gives them. */
  listen<M>(message: (message: M) => Promise<void> | void, closed: () => Promise<void> | void): void;
}

export class Network {
  rates: Rates;
  readonly #time: Scheduler;
  readonly #random: Random;
  readonly #streams = new Set<[Side, Side]>();
  readonly #cutOff = new Set<string>();

  constructor(time: Scheduler, random: Random, rates: Rates) {
    this.#time = time;
    this.#random = random;
    this.rates = rates;
  }

  get #delay(): number {
    return this.#random.int(this.rates.delayMsMin, this.rates.delayMsMax);
  }

  connect(from: Node, to: Node, protocol: string): End {
    const a = newSide(from);
    const b = newSide(to);
    const stream: [Side, Side] = [a, b];
    this.#streams.add(stream);
    const near = this.#end(stream, a, b);
    const delay = this.#delay;
    if (!to.up || this.#apart(from, to)) {
      this.#close(stream, a, delay);
      b.closed = true;
      return near;
    }
    b.lastArrival = this.#time.now + delay;
    this.#time.at(b.lastArrival, () => {
      if (this.#alive(b)) to.accept(protocol, this.#end(stream, b, a));
    });
    return near;
  }

  /** One message to many, which may get it late, twice or never. */
  gossip(from: Node, to: readonly Node[], deliver: (to: Node) => Promise<void> | void): void {
    for (const node of to) {
      const times = this.#random.chance(this.rates.gossipLoss)
        ? 0
        : this.#random.chance(this.rates.gossipTwice)
          ? 2
          : 1;
      for (let n = 0; n < times; n++) {
        this.#time.after(this.#delay * this.#random.int(1, 4), () =>
          node.up && !this.#apart(from, node) ? deliver(node) : undefined,
        );
      }
    }
  }

  /** Its process is gone: everybody it talked to finds out sooner or later. */
  crashed(node: Node): void {
    this.#breakAll(node);
  }

  partition(node: Node, cutOff: boolean): void {
    if (cutOff) this.#cutOff.add(node.id);
    else this.#cutOff.delete(node.id);
    if (cutOff) this.#breakAll(node);
  }

  #breakAll(node: Node): void {
    for (const stream of this.#streams) if (stream.some((side) => side.node === node)) this.#break(stream);
  }

  #apart(a: Node, b: Node): boolean {
    return this.#cutOff.has(a.id) !== this.#cutOff.has(b.id);
  }

  #alive(side: Side): boolean {
    return !side.closed && side.node.up && side.node.life === side.life;
  }

  #end(stream: [Side, Side], own: Side, far: Side): End {
    const alive = () => this.#alive(own);
    return {
      peer: far.node.id,
      get open() {
        return alive();
      },
      send: (message) => {
        if (!this.#alive(own)) return;
        const arrival = Math.max(far.lastArrival, this.#time.now + this.#delay);
        far.lastArrival = arrival;
        this.#time.at(arrival, () => (this.#alive(far) ? far.message(message as never) : undefined));
        if (this.#random.chance(this.rates.breakPerMessage)) this.#break(stream);
      },
      close: () => {
        own.closed = true;
        this.#close(stream, far, Math.max(0, far.lastArrival - this.#time.now) + this.#delay);
      },
      listen: (message, closed) => {
        own.message = message;
        own.onClosed = closed;
      },
    };
  }

  #break(stream: [Side, Side]): void {
    for (const side of stream) this.#close(stream, side, this.#delay);
  }

  #close(stream: [Side, Side], side: Side, delay: number): void {
    this.#time.after(delay, () => {
      const told = this.#alive(side);
      side.closed = true;
      if (stream.every(({ closed }) => closed)) this.#streams.delete(stream);
      return told ? side.onClosed() : undefined;
    });
  }
}

function newSide(node: Node): Side {
  return { node, life: node.life, lastArrival: 0, closed: false, message: () => {}, onClosed: () => {} };
}
