import { assert } from '../protocol/base/errors.ts';
import { meshLimits } from './limits.ts';
import { shuffled } from './shuffled.ts';
import type { PeerAddress } from './types.ts';

/** Members tell it anew each minute. */
const TTL_MS = 3 * 60_000;
const BOUNDS: MemberRegistryBounds = {
  membersPerProjectMax: 500,
  projectsPerPeerMax: 32,
  entriesMax: 20_000,
};
assert(
  meshLimits.waitMs < TTL_MS && TTL_MS < meshLimits.fullToldMs,
  'a member that is gone is forgotten in minutes',
);
assert(
  BOUNDS.entriesMax <= 2 * meshLimits.peerRecordsMax,
  'members take no more than twice the records of peers',
);
assert(
  BOUNDS.membersPerProjectMax * BOUNDS.projectsPerPeerMax < BOUNDS.entriesMax,
  'one peer leaves room for others',
);
assert(BOUNDS.projectsPerPeerMax < BOUNDS.membersPerProjectMax, 'a peer is in few projects');

export interface MemberRegistryBounds {
  membersPerProjectMax: number;
  projectsPerPeerMax: number;
  entriesMax: number;
}

interface Entry {
  addrs: string[];
  /** The network that it was told from. */
  network: string;
  at: number;
}

/**
 * The peers that asked for a project's members within the last three minutes (`TTL_MS`), in bounded memory: at a bound the
 * oldest entry is removed, in a project that of the network with the most: keys cost nothing. `now` in milliseconds.
 */
export class MemberRegistry {
  readonly #bounds: MemberRegistryBounds;
  readonly #projects = new Map<string, Map<string, Entry>>();
  readonly #projectsOf = new Map<string, Set<string>>();
  #entries = 0;

  constructor(bounds: MemberRegistryBounds = BOUNDS) {
    this.#bounds = bounds;
  }

  put(root: string, peer: PeerAddress, network: string, now: number): void {
    this.#delete(root, peer.id);
    const roots = this.#projectsOf.get(peer.id);
    const [oldestRoot] = roots ?? [];
    if (oldestRoot !== undefined && (roots?.size ?? 0) >= this.#bounds.projectsPerPeerMax) {
      this.#delete(oldestRoot, peer.id);
    }
    if (this.members(root) >= this.#bounds.membersPerProjectMax) {
      const [most = []] = [...this.#networks(root).values()].sort((a, b) => b.length - a.length);
      const [oldest] = most;
      if (oldest !== undefined) this.#delete(root, oldest);
    }
    if (this.#entries >= this.#bounds.entriesMax) this.#makeRoom();
    this.#insert(root, peer, network, now);
  }

  /**
   * Up to `max` other members, picked at random, so that members of a large project dial different ones: one of each network, then a
   * second one.
   */
  others(root: string, self: string, max: number, now: number): PeerAddress[] {
    const members = this.#projects.get(root) ?? new Map<string, Entry>();
    for (const [id, entry] of members) if (now - entry.at > TTL_MS) this.#delete(root, id);
    const found: { peer: PeerAddress; turn: number; order: number }[] = [];
    for (const ids of this.#networks(root).values())
      for (const [turn, id] of shuffled(ids.filter((other) => other !== self)).entries())
        found.push({ peer: { id, addrs: members.get(id)?.addrs ?? [] }, turn, order: Math.random() });
    return found
      .sort((a, b) => a.turn - b.turn || a.order - b.order)
      .slice(0, max)
      .map(({ peer }) => peer);
  }

  /** Members of a project by network, the oldest first. */
  #networks(root: string): Map<string, string[]> {
    const networks = new Map<string, string[]>();
    for (const [id, { network }] of this.#projects.get(root) ?? []) {
      const same = networks.get(network);
      if (same === undefined) networks.set(network, [id]);
      else same.push(id);
    }
    return networks;
  }

  members(root: string): number {
    return this.#projects.get(root)?.size ?? 0;
  }

  get size(): number {
    return this.#entries;
  }

  #insert(root: string, peer: PeerAddress, network: string, now: number): void {
    const members = this.#projects.get(root) ?? new Map<string, Entry>();
    this.#projects.set(root, members);
    members.set(peer.id, { addrs: peer.addrs, network, at: now });
    const roots = this.#projectsOf.get(peer.id) ?? new Set<string>();
    this.#projectsOf.set(peer.id, roots);
    roots.add(root);
    this.#entries += 1;
  }

  /** Removes the oldest entry of the peer in the most projects: an honest peer is in few, a Sybil in as many as allowed. */
  #makeRoom(): void {
    let busiest: [string, Set<string>] | undefined;
    for (const peer of this.#projectsOf) {
      if (busiest === undefined || peer[1].size > busiest[1].size) busiest = peer;
    }
    const [oldest] = busiest?.[1] ?? [];
    if (busiest !== undefined && oldest !== undefined) this.#delete(oldest, busiest[0]);
  }

  #delete(root: string, peer: string): void {
    const members = this.#projects.get(root);
    if (members?.delete(peer) !== true) return;
    this.#entries -= 1;
    if (members.size === 0) this.#projects.delete(root);
    const roots = this.#projectsOf.get(peer);
    roots?.delete(root);
    if (roots?.size === 0) this.#projectsOf.delete(peer);
  }
}
