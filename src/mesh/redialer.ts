import { assert } from '../protocol/base/errors.ts';
import { meshLimits } from './limits.ts';
import type { PeerAddress } from './types.ts';

/** The shortest wait between two looks at what is to be dialled, and the longest. */
const LOOK_MS_MIN = 250;
const LOOK_MS_MAX = 10_000;
const PARALLEL_DIALS = 4;
const BACKOFF_FIRST_MS = 500;
const BOOTSTRAP_BACKOFF_MAX_MS = 60_000;
const REMEMBERED_BACKOFF_MAX_MS = 10 * 60_000;
assert(LOOK_MS_MIN < BACKOFF_FIRST_MS && BACKOFF_FIRST_MS < LOOK_MS_MAX, 'first dials are not waited for');
assert(LOOK_MS_MAX < BOOTSTRAP_BACKOFF_MAX_MS, 'a look finds what became due');
assert(BOOTSTRAP_BACKOFF_MAX_MS < meshLimits.waitMs, 'a bootstrap node that is back is found within a wait');
assert(REMEMBERED_BACKOFF_MAX_MS <= meshLimits.protocolMemoryMs, 'a known peer is tried');

interface Target extends PeerAddress {
  configured: string[];
  bootstrap: boolean;
  failures: number;
  due: number;
}

export interface RedialPorts {
  dial: (target: PeerAddress) => Promise<unknown>;
  isConnected: (id: string) => boolean;
  /** Peers connected now, bootstrap nodes not counted. */
  neighbours: () => number;
  remembered: () => PeerAddress[];
}

/**
 * Keeps bootstrap peers connected, and dials remembered ones while there are fewer than `meshLimits.projectPeers` neighbours, at most
 * `PARALLEL_DIALS` at once. It looks when a peer is lost, a dial ends or one is due. The wait doubles with each failure and is
 * randomized, so that nodes do not all dial a restarted bootstrap node in the same second.
 */
export class Redialer {
  readonly #ports: RedialPorts;
  readonly #targets = new Map<string, Target>();
  #timer: NodeJS.Timeout | undefined;
  #nextLook = Number.POSITIVE_INFINITY;
  #closed = false;
  #running = 0;

  constructor(ports: RedialPorts, bootstrap: PeerAddress[]) {
    this.#ports = ports;
    for (const { id, addrs } of bootstrap)
      this.#targets.set(id, { id, addrs, configured: addrs, bootstrap: true, failures: 0, due: 0 });
    for (const peer of ports.remembered()) this.#adopt(peer);
    this.#look();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /** Dials a lost peer again after a short, randomized wait. */
  onDisconnected(id: string): void {
    for (const peer of this.#ports.remembered()) this.#adopt(peer);
    const target = this.#targets.get(id);
    if (target !== undefined) target.due = performance.now() + BACKOFF_FIRST_MS * (0.5 + 3 * Math.random());
    this.#lookIn(LOOK_MS_MIN);
  }

  #adopt({ id, addrs }: PeerAddress): void {
    const known = this.#targets.get(id);
    // A bootstrap peer may have moved: its remembered addresses are tried besides the configured ones.
    if (known !== undefined) known.addrs = [...new Set([...known.configured, ...addrs])];
    else this.#targets.set(id, { id, addrs, configured: [], bootstrap: false, failures: 0, due: 0 });
    if (this.#targets.size <= meshLimits.rememberedMax * 2) return;
    const gone = this.#targets.values().find((target) => !target.bootstrap && target.id !== id);
    if (gone !== undefined) this.#targets.delete(gone.id);
  }

  #look(): void {
    this.#nextLook = Number.POSITIVE_INFINITY;
    const now = performance.now();
    const wanting = this.#ports.neighbours() < meshLimits.projectPeers;
    let wait = LOOK_MS_MAX;
    for (const target of this.#targets.values()) {
      // Of a dial that runs, the end is awaited.
      if (target.due === Number.POSITIVE_INFINITY || (!target.bootstrap && !wanting)) continue;
      if (this.#ports.isConnected(target.id)) continue;
      if (target.due > now) wait = Math.min(wait, target.due - now);
      else if (this.#running < PARALLEL_DIALS) void this.#dial(target);
    }
    this.#lookIn(wait);
  }

  /** Looks in so many ms, unless it looks earlier. */
  #lookIn(ms: number): void {
    const at = performance.now() + Math.max(LOOK_MS_MIN, ms);
    if (this.#closed || at >= this.#nextLook) return;
    this.#nextLook = at;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), at - performance.now());
  }

  async #dial(target: Target): Promise<void> {
    this.#running += 1;
    target.due = Number.POSITIVE_INFINITY;
    try {
      await this.#ports.dial(target);
      target.failures = 0;
      target.due = 0;
    } catch {
      target.failures += 1;
      const most = target.bootstrap ? BOOTSTRAP_BACKOFF_MAX_MS : REMEMBERED_BACKOFF_MAX_MS;
      const wait = Math.min(most, BACKOFF_FIRST_MS * 2 ** Math.min(target.failures, 20));
      target.due = performance.now() + wait * (0.75 + 0.5 * Math.random());
    } finally {
      this.#running -= 1;
      this.#lookIn(LOOK_MS_MIN);
    }
  }
}
