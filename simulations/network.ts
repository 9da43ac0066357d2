import { assert, reportedError } from '../src/protocol/base/errors.ts';
import type { Channel, ReceiveOptions, ServedProtocol } from '../src/protocol/sessions/ports.ts';
import type { Random } from './random.ts';
import type { Rates } from './rates.ts';
import type { Scheduler } from './scheduler.ts';

/** A node of the network. `life` grows with each restart: messages for an earlier life are lost. */
export interface Node {
  readonly name: string;
  /** PeerId. */
  readonly id: string;
  readonly up: boolean;
  readonly life: number;
  /** Serves a channel that a peer has opened. */
  accept(protocol: string, channel: Channel): void;
}

/** The address of a simulated controller: the network knows no other. */
export const controllerAt = ({ id }: Node): { id: string; addrs: string[] } => ({
  id,
  addrs: [`/dns4/controller.example/tcp/1/p2p/${id}`],
});

/** A stream as its messages are seen on the line. `up`: from who opened it. */
export interface OnLine {
  protocol: string;
  up: boolean;
}

/** An attacker between two nodes: changes messages before they arrive, where a test asks for it. */
export interface Line {
  carries(message: Uint8Array, on: OnLine): Uint8Array;
  /** A node broke a stream off. */
  aborted(reason: unknown, on: OnLine): void;
}

/** Serves a stream and ends it, as the mesh does. */
export async function serve({ session }: ServedProtocol, channel: Channel): Promise<void> {
  try {
    await session(channel);
    await channel.close();
  } catch (error) {
    channel.abort(error instanceof Error ? error : new Error(String(error)));
  }
}

/** How long a receive waits where the caller sets no limit, as the mesh does. */
const receiveMsMax = 120_000;

/** Probability that the message at which a stream breaks stalls. */
const stallAtBreak = 0.5;

type Ending = 'closed' | 'reset';

/** One end of a stream: reliable and in order until it breaks, which it may at any moment. */
class Side implements Channel {
  readonly node: Node;
  readonly life: number;
  readonly peer: string;
  readonly on: OnLine;
  readonly random: Random;
  readonly #time: Scheduler;
  readonly #network: Network;
  far!: Side;
  /** Arrival of the last message to this side. */
  lastArrival = 0;
  /** How the other side ended its half, or the line both; undefined while messages may come. */
  ended: Ending | undefined;
  /** Our half has ended: nothing can be sent any more. */
  #sent = false;
  readonly #queue: Uint8Array[] = [];
  #waiting: (() => void) | undefined;

  constructor(network: Network, time: Scheduler, [node, peer]: [Node, string], on: OnLine, random: Random) {
    this.on = on;
    this.random = random;
    this.#network = network;
    this.#time = time;
    this.node = node;
    this.life = node.life;
    this.peer = peer;
  }

  /** False once its process has crashed, whatever runs on. */
  get alive(): boolean {
    return this.node.up && this.node.life === this.life;
  }

  get closed(): boolean {
    return !this.alive || this.ended === 'reset' || (this.#sent && this.ended === 'closed');
  }

  async send(message: Uint8Array): Promise<void> {
    if (!this.alive) return;
    if (this.#sent || this.ended === 'reset') throw reportedError('MESH_CLOSED', 'the stream has ended');
    this.#network.carry(this, message);
  }

  receive({ timeoutMs = receiveMsMax, admit }: ReceiveOptions = {}): Promise<Uint8Array | undefined> {
    return new Promise((resolve, reject) => {
      // A channel of the mesh refuses a second call too.
      assert(this.#waiting === undefined, 'one receive() at a time');
      const take = (): boolean => {
        const next = this.#queue.shift();
        if (next !== undefined) resolve(admit?.(next.length).then(() => next) ?? next);
        else if (this.ended === 'closed') resolve(undefined);
        else if (this.ended === 'reset') reject(reportedError('MESH_RESET', 'the stream broke'));
        else return false;
        return true;
      };
      if (take()) return;
      const cancel = this.#time.after(timeoutMs, () => {
        this.#waiting = undefined;
        if (this.alive) reject(reportedError('MESH_TIMEOUT', `nothing came for ${timeoutMs} ms`));
      });
      this.#waiting = () => {
        if (!take()) return;
        this.#waiting = undefined;
        cancel();
      };
    });
  }

  async close(): Promise<void> {
    if (this.closed || this.#sent) return;
    this.#sent = true;
    this.#network.end(this.far, 'closed');
  }

  abort(reason?: unknown): void {
    if (reason !== undefined) this.#network.line?.aborted(reason, this.on);
    if (this.closed) return;
    this.finish('reset');
    this.#network.end(this.far, 'reset');
  }

  arrive(message: Uint8Array): void {
    if (!this.alive || this.ended !== undefined) return;
    this.#queue.push(message);
    this.#waiting?.();
  }

  /** The other side, or the line, has ended the stream. */
  finish(ending: Ending): void {
    if (this.closed || this.ended === ending) return;
    this.ended = ending;
    if (ending === 'reset') this.#queue.length = 0;
    this.#waiting?.();
  }
}

/** Streams and gossip between nodes, with delays and faults. */
export class Network {
  rates: Rates;
  line: Line | undefined;
  readonly #time: Scheduler;
  readonly #random: Random;
  readonly #streams = new Set<Side>();
  readonly #cutOff = new Set<string>();

  constructor(time: Scheduler, random: Random, rates: Rates) {
    this.#time = time;
    this.#random = random;
    this.rates = rates;
  }

  #delay(random = this.#random): number {
    return random.int(this.rates.delayMsMin, this.rates.delayMsMax);
  }

  /** Opens a stream. `random`: what becomes of its messages, where that does not move the draws of others. Errors: `MESH_UNREACHABLE`. */
  dial(from: Node, to: Node, protocol: string, random = this.#random): Promise<Channel> {
    const near = new Side(this, this.#time, [from, to.id], { protocol, up: true }, random);
    const far = new Side(this, this.#time, [to, from.id], { protocol, up: false }, random);
    near.far = far;
    far.far = near;
    const delay = this.#delay(random);
    return new Promise((resolve, reject) => {
      this.#time.after(delay, () => {
        if (!near.alive) return;
        if (!far.alive || this.#apart(from, to))
          return reject(reportedError('MESH_UNREACHABLE', `${to.name} does not answer`));
        this.#streams.add(near);
        to.accept(protocol, far);
        resolve(near);
      });
    });
  }

  /** One message to many, which may get it late, twice or never. */
  gossip<To extends Node>(from: Node, to: readonly To[], deliver: (to: To) => void): void {
    for (const node of to) {
      const times = this.#random.chance(this.rates.gossipLoss)
        ? 0
        : this.#random.chance(this.rates.gossipTwice)
          ? 2
          : 1;
      for (let n = 0; n < times; n++) {
        this.#time.after(this.#delay() * this.#random.int(1, 4), () => {
          if (node.up && !this.#apart(from, node)) deliver(node);
        });
      }
    }
  }

  /** The process of a node is gone: its peers find out sooner or later. */
  crashed(node: Node): void {
    this.#breakAll(node);
  }

  partition(node: Node, cutOff: boolean): void {
    if (cutOff) this.#cutOff.add(node.id);
    else this.#cutOff.delete(node.id);
    if (cutOff) this.#breakAll(node);
  }

  /** Carries a message of `side` to the other side, in order, and may break the stream. */
  carry(side: Side, message: Uint8Array): void {
    const { far, random } = side;
    const { stallPerMessage, stallMsMax, breakPerMessage } = this.rates;
    const breaks = random.chance(breakPerMessage);
    // The last message of a stream that breaks may be on its way for a while.
    const stalls = random.chance(breaks ? stallAtBreak : stallPerMessage);
    const stall = stalls ? random.int(0, stallMsMax) : 0;
    const arrival = Math.max(far.lastArrival, this.#time.now + this.#delay(random) + stall);
    far.lastArrival = arrival;
    const arrives = this.line?.carries(message, side.on) ?? message;
    this.#time.at(arrival, () => far.arrive(arrives));
    if (!breaks) return;
    // The sender sees the broken line first; the other side hears nothing, and takes its time to notice.
    this.end(side, 'reset');
    this.#time.after(random.int(0, this.rates.noticeMsMax), () => this.end(far, 'reset'));
  }

  /** Tells `side` that the stream has ended: after the messages on their way where it was closed, at any time else. */
  end(side: Side, ending: Ending): void {
    const messages = ending === 'closed' ? Math.max(0, side.lastArrival - this.#time.now) : 0;
    this.#time.after(messages + this.#delay(side.random), () => {
      side.finish(ending);
      if (!side.closed) return;
      this.#streams.delete(side);
      this.#streams.delete(side.far);
    });
  }

  #breakAll(node: Node): void {
    for (const side of this.#streams)
      if (side.node === node || side.far.node === node)
        for (const end of [side, side.far]) this.end(end, 'reset');
  }

  #apart(a: Node, b: Node): boolean {
    return this.#cutOff.has(a.id) !== this.#cutOff.has(b.id);
  }
}
