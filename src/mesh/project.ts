import { limits } from '../core/limits.ts';
import { projectRendezvous } from './rendezvous.ts';
import type { PeerAddress } from './types.ts';

const FIRST_MS = 250;
const LONGEST_MS = 60_000;
const SEARCH_MS = 10_000;
const HURRY_MS = 1_000;
/** Once settled, the record is announced anew only every tenth round: those who keep it may have restarted. */
const ANNOUNCE_ROUNDS = 10;
/** Providers looked at per round; the DHT gives no more than twenty. */
const FOUND_MAX = 20;

export interface ProjectPorts {
  provide: (cid: string, signal: AbortSignal) => Promise<void>;
  findProviders: (cid: string, options: { signal: AbortSignal; max: number }) => AsyncIterable<PeerAddress>;
  dial: (peer: PeerAddress) => Promise<unknown>;
  isConnected: (id: string) => boolean;
}

/**
 * Brings the members of one project together: announce, search, connect, again and again, quickly at first and once a
 * minute later. Gossip needs this, since a bootstrap node that joins no topics forwards nothing. With enough peers
 * connected one more is still tried per round, so that whoever came first cannot fence a node in for good.
 */
export class ProjectLoop {
  readonly #ports: ProjectPorts;
  readonly #cid: string;
  readonly #stop = new AbortController();
  #wake: (() => void) | undefined;
  #waitMs = FIRST_MS;
  #rounds = 0;
  #lastRound = 0;

  constructor(root: string, ports: ProjectPorts) {
    this.#ports = ports;
    this.#cid = projectRendezvous(root);
    void this.#run();
  }

  /** Something changed (a peer came or went): look again soon, yet not once per change. */
  hurry(): void {
    this.#rounds = 0;
    this.#waitMs = HURRY_MS;
    if (Date.now() - this.#lastRound >= HURRY_MS) this.#wake?.();
  }

  close(): void {
    this.#stop.abort();
    this.#wake?.();
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#round();
      await this.#pause();
    }
  }

  async #round(): Promise<void> {
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(SEARCH_MS)]);
    this.#lastRound = Date.now();
    const settled = this.#waitMs >= LONGEST_MS;
    try {
      if (!settled || this.#rounds++ % ANNOUNCE_ROUNDS === 0) await this.#ports.provide(this.#cid, signal);
      const found: PeerAddress[] = [];
      for await (const peer of this.#ports.findProviders(this.#cid, { signal, max: FOUND_MAX }))
        found.push(peer);
      const fresh = found.filter((peer) => !this.#ports.isConnected(peer.id));
      const have = found.length - fresh.length;
      const wanted = Math.max(1, limits.meshProjectPeers - have);
      await Promise.allSettled(shuffle(fresh).slice(0, wanted).map(this.#ports.dial));
    } catch {
      // No peers yet, or too slow ones: the next round tries again.
    }
  }

  #pause(): Promise<void> {
    if (this.#stop.signal.aborted) return Promise.resolve();
    const waitMs = this.#waitMs * (0.75 + 0.5 * Math.random());
    this.#waitMs = Math.min(LONGEST_MS, this.#waitMs * 2);
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

function shuffle<T>(items: T[]): T[] {
  return items
    .map((item) => ({ item, order: Math.random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item);
}
