import { assert } from '../protocol/base/errors.ts';
import { meshLimits } from './limits.ts';
import { projectRendezvous } from './rendezvous.ts';
import { shuffled } from './shuffled.ts';
import type { PeerAddress } from './types.ts';

const FIRST_MS = 250;
/** The longest wait between rounds: without members connected, with too few, and with enough. */
const ALONE_MS = 5_000;
const FEW_MS = 30_000;
const SETTLED_MS = 60_000;
const ASK_MS = 5_000;
const SEARCH_MS = 10_000;
const HURRY_MS = 1_000;
/** Waits between searches in the DHT. Where no peer came or went this node is announced anew after `DHT_SETTLED_MS` only. */
const DHT_EAGER_MS = 5_000;
const DHT_FEW_MS = 60_000;
const DHT_SETTLED_MS = 10 * 60_000;
/** Peers asked per round, bootstrap nodes first, and members taken from one search. */
const ASKED_MAX = 4;
assert(FIRST_MS < HURRY_MS && HURRY_MS < ALONE_MS, 'a lone peer looks at once');
assert(ALONE_MS < FEW_MS && FEW_MS < SETTLED_MS, 'and one with few peers more often');
assert(SETTLED_MS < meshLimits.waitMs, 'a member that came is met within a wait');
assert(ASK_MS <= ALONE_MS && SEARCH_MS < meshLimits.lookupMs, 'a question ends before the next round');
assert(DHT_EAGER_MS < DHT_FEW_MS && DHT_FEW_MS < DHT_SETTLED_MS, 'the same in the DHT');
assert(DHT_SETTLED_MS <= meshLimits.protocolMemoryMs, 'a node is announced as long as it is remembered');
assert(ASKED_MAX < meshLimits.projectPeers, 'a round asks a part of the peers');
const FOUND_MAX = 2 * meshLimits.projectPeers;

export interface ProjectPorts {
  bootstrap: () => string[];
  ask: (peer: string, root: string, signal: AbortSignal) => Promise<PeerAddress[]>;
  /** Fails when no peer took the record. */
  provide: (cid: string, signal: AbortSignal) => Promise<void>;
  findProviders: (cid: string, options: { signal: AbortSignal; max: number }) => AsyncIterable<PeerAddress>;
  dial: (peer: PeerAddress) => Promise<unknown>;
  isConnected: (id: string) => boolean;
}

/**
 * Connects this node to other members of one project, in rounds: asks connected peers, searches the DHT, dials. Rounds follow quickly at
 * first and once a minute later. With enough members connected one more is dialled per round: otherwise the first ones could isolate a
 * node for good.
 */
export class ProjectDiscovery {
  readonly #root: string;
  readonly #cid: string;
  readonly #ports: ProjectPorts;
  readonly #stop = new AbortController();
  readonly #members = new Set<string>();
  #wake: (() => void) | undefined;
  #waitMs = FIRST_MS;
  #lastRound = Number.NEGATIVE_INFINITY;
  #dhtDue = 0;
  /** When, and after how many changes of peers: they lose a record when they restart. */
  #announced = { at: Number.NEGATIVE_INFINITY, changes: 0 };
  #changes = 0;

  constructor(root: string, ports: ProjectPorts) {
    this.#root = root;
    this.#cid = projectRendezvous(root);
    this.#ports = ports;
    void this.#run();
  }

  /** Starts the next round soon after a peer connected or disconnected, at most once per `HURRY_MS`. */
  hurry(): void {
    this.#changes += 1;
    if (this.#connected() >= meshLimits.projectPeers) return;
    this.#waitMs = Math.min(this.#waitMs, HURRY_MS);
    if (performance.now() - this.#lastRound >= HURRY_MS) this.#wake?.();
  }

  close(): void {
    this.#stop.abort();
    this.#wake?.();
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#lastRound = performance.now();
      // A round that fails is followed by the next.
      await this.#ask().catch(() => {});
      // Not awaited: a search may outlast the next round.
      if (performance.now() >= this.#dhtDue) void this.#search();
      await this.#pause();
    }
  }

  async #ask(): Promise<void> {
    const members = shuffled([...this.#members].filter(this.#ports.isConnected));
    const asked = [...this.#ports.bootstrap(), ...members].slice(0, ASKED_MAX);
    const signal = this.#limit(ASK_MS);
    const answers = await Promise.allSettled(asked.map((peer) => this.#ports.ask(peer, this.#root, signal)));
    const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    const wanted = Math.max(1, meshLimits.projectPeers - this.#connected());
    const fresh = new Map(found.filter(({ id }) => !this.#known(id)).map((peer) => [peer.id, peer]));
    const dialled = shuffled([...fresh.values()]).slice(0, wanted);
    await Promise.all(dialled.map((peer) => this.#dial(peer)));
  }

  /** Dials members as the DHT finds them, ends the search when there are enough, and announces this node. */
  async #search(): Promise<void> {
    this.#dhtDue = Number.POSITIVE_INFINITY;
    const { at, changes } = this.#announced;
    let announced = changes === this.#changes && performance.now() - at < DHT_SETTLED_MS;
    try {
      const signal = this.#limit(SEARCH_MS);
      let wanted = Math.max(1, meshLimits.projectPeers - this.#connected());
      for await (const peer of this.#ports.findProviders(this.#cid, { signal, max: FOUND_MAX })) {
        if (this.#known(peer.id)) continue;
        void this.#dial(peer);
        wanted -= 1;
        if (wanted === 0) break;
      }
      if (!announced) {
        const before = { at: performance.now(), changes: this.#changes };
        await this.#ports.provide(this.#cid, this.#limit(meshLimits.lookupMs));
        announced = true;
        this.#announced = before;
      }
    } catch {
      // No peers yet, or a timeout: due again soon.
    }
    const settled = this.#connected() >= meshLimits.projectPeers;
    this.#dhtDue = performance.now() + (!announced ? DHT_EAGER_MS : settled ? DHT_SETTLED_MS : DHT_FEW_MS);
  }

  /** True for a connected peer, which then counts as a member. */
  #known(id: string): boolean {
    if (!this.#ports.isConnected(id)) return false;
    this.#members.add(id);
    return true;
  }

  async #dial(peer: PeerAddress): Promise<void> {
    try {
      await this.#ports.dial(peer);
      this.#members.add(peer.id);
    } catch {
      // The next round tries other members.
    }
  }

  #connected(): number {
    for (const id of this.#members) if (!this.#ports.isConnected(id)) this.#members.delete(id);
    return this.#members.size;
  }

  #limit(ms: number): AbortSignal {
    return AbortSignal.any([this.#stop.signal, AbortSignal.timeout(ms)]);
  }

  #pause(): Promise<void> {
    if (this.#stop.signal.aborted) return Promise.resolve();
    const waitMs = this.#waitMs * (0.75 + 0.5 * Math.random());
    const members = this.#connected();
    const longest = members >= meshLimits.projectPeers ? SETTLED_MS : members > 0 ? FEW_MS : ALONE_MS;
    this.#waitMs = Math.min(longest, this.#waitMs * 2);
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake?.(), waitMs);
      this.#wake = () => {
        this.#wake = undefined;
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
