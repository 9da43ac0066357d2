import type { ControllerPorts } from '../src/controller/sessions/ports.ts';
import { reportedError } from '../src/protocol/base/errors.ts';
import type { Channel, Clock, ServedProtocol } from '../src/protocol/sessions/ports.ts';
import { pinServer } from '../src/store-node/sessions/pin-server.ts';
import { type Node, serve } from './network.ts';
import type { Surroundings } from './process.ts';
import type { Scenario, StoreBehaviour } from './scenario.ts';

const holdMs = 24 * 3600_000;
const minuteMs = 60_000;

export interface StoreOptions {
  name: string;
  behaviour: StoreBehaviour;
  isController(peer: string): boolean;
  /** Whether one of these nodes serves a tree now. */
  serves(tree: string, from: readonly string[]): boolean;
}

/** An artifact store: the session of production, over a disk that is a set of names. */
export class StoreNode implements Node {
  readonly name: string;
  readonly id: string;
  up = true;
  life = 1;
  /** Trees that are here now. */
  readonly disk = new Set<string>();
  /** Trees that ever were. */
  readonly kept = new Set<string>();
  readonly #around: Surroundings;
  readonly #options: StoreOptions;
  #served: ServedProtocol;

  constructor(around: Surroundings, options: StoreOptions) {
    this.#around = around;
    this.#options = options;
    this.name = options.name;
    this.id = around.keys.signer(options.name).id;
    this.#served = this.#serve();
  }

  accept(protocol: string, channel: Channel): void {
    if (protocol !== this.#served.protocol) return channel.abort(new Error(`${protocol} is not served`));
    void serve(this.#served, channel);
  }

  /** Goes down for a while; one that forgets comes back with an empty disk. */
  crash(downMs: number): void {
    if (!this.up) return;
    const { time, trace } = this.#around;
    const forgets = this.#options.behaviour === 'forgets';
    trace.write(time.now, this.name, forgets ? 'loses its disk' : 'stops');
    this.up = false;
    this.life++;
    if (forgets) this.disk.clear();
    time.after(downMs, () => this.start());
  }

  start(): void {
    if (this.up) return;
    this.up = true;
    this.#served = this.#serve();
  }

  #serve(): ServedProtocol {
    const { time, random } = this.#around;
    const { behaviour, isController, serves } = this.#options;
    const { life } = this;
    const alive = () => this.up && this.life === life;
    const clock: Clock = {
      now: () => time.now,
      monotonic: () => time.now,
      after: (ms, act) =>
        time.after(ms, () => {
          if (alive()) act();
        }),
      get closing() {
        return !alive();
      },
      endOfTurn: queueMicrotask,
      onClosing: () => () => {},
    };
    return pinServer({
      clock,
      isController,
      tell: () => {},
      pin: ({ tree, from }) =>
        new Promise((resolve, reject) => {
          const luck = random.fork(`${this.name} pins ${tree} ${time.now}`);
          const wait = behaviour === 'late' ? luck.int(10_000, 120_000) : luck.int(200, 4_000);
          clock.after(wait, () => {
            const here =
              this.disk.has(tree) ||
              serves(
                tree,
                from.map(({ id }) => id),
              );
            if (!here && behaviour !== 'lies')
              return reject(reportedError('TRANSFER_FAILED', 'nobody serves it'));
            if (here && behaviour !== 'lies') {
              this.disk.add(tree);
              this.kept.add(tree);
            }
            resolve({ until: time.now + holdMs });
          });
        }),
    });
  }
}

/** The artifact stores of a controller that keeps no bytes. */
export class Stores {
  readonly nodes: readonly StoreNode[];
  /** Number of stores that have to keep an artifact before its verdict is published. */
  readonly copies: number;
  /** A planted bug: the controller takes their word for what they keep. */
  readonly believed: boolean;
  readonly #around: Surroundings;

  constructor(
    around: Surroundings,
    { behaviours, copies }: NonNullable<Scenario['stores']>,
    { believed, ...options }: Omit<StoreOptions, 'name' | 'behaviour'> & { believed: boolean },
  ) {
    this.#around = around;
    this.copies = copies;
    this.believed = believed;
    this.nodes = behaviours.map(
      (behaviour, n) => new StoreNode(around, { ...options, name: `store${n}`, behaviour }),
    );
  }

  /** How many ever kept a tree. */
  keeping(tree: string): number {
    return this.nodes.filter(({ kept }) => kept.has(tree)).length;
  }

  /** They stop now and then, for up to two minutes. */
  stopNowAndThen(until: number, healed: () => boolean): void {
    const { time, random } = this.#around;
    for (const store of this.nodes) {
      const chance = random.fork(`stops of ${store.name}`);
      for (let at = time.now; at < until; at += minuteMs)
        if (chance.chance(0.4))
          time.at(at + chance.int(0, minuteMs - 1), () => {
            if (!healed()) store.crash(chance.int(1_000, 2 * minuteMs));
          });
    }
  }

  start(): void {
    for (const store of this.nodes) store.start();
  }
}

/** The ports to the stores of a controller that keeps no bytes. */
export function storePorts(
  stores: Stores | undefined,
  controller: Node,
  { network, random, time }: Surroundings,
  clock: Clock,
): Pick<ControllerPorts, 'stores'> {
  if (stores === undefined) return {};
  const nodeOf = (id: string) => stores.nodes.find((node) => node.id === id);
  return {
    stores: {
      dial: async (peer, protocol) => {
        const node = nodeOf(peer.id ?? '');
        if (node === undefined) throw reportedError('MESH_UNREACHABLE', 'there is no such store');
        return network.dial(controller, node, protocol);
      },
      addressOf: (id) => ({ id, addrs: [] }),
      findPeer: async (id) => ({ id, addrs: [] }),
      boundOf: () => 1,
      probe: ({ id }, artifact) =>
        new Promise((resolve, reject) => {
          clock.after(random.fork(`probe ${id} ${time.now}`).int(10, 500), () => {
            const node = nodeOf(id);
            const serves = node?.up === true && node.disk.has(artifact);
            if (serves || stores.believed) resolve();
            else reject(reportedError('TRANSFER_FAILED', 'the store does not serve it'));
          });
        }),
    },
  };
}
