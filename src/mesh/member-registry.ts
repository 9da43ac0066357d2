import { assert } from '../protocol/base/errors.ts';
import { addToSet, dropFrom } from '../protocol/base/maps.ts';
import { meshLimits } from './limits.ts';
import { largest } from './network.ts';
import { shuffled } from './shuffled.ts';
import type { PeerAddress } from './types.ts';

/** Members tell it anew each minute. */
const TTL_MS = 3 * 60_000;
export const memberLimits = { membersPerProjectMax: 500, projectsPerPeerMax: 32, entriesMax: 20_000 };
const { membersPerProjectMax, projectsPerPeerMax, entriesMax } = memberLimits;
assert(meshLimits.waitMs < TTL_MS && TTL_MS < meshLimits.fullToldMs, 'who is gone is forgotten in minutes');
assert(entriesMax <= 2 * meshLimits.peerRecordsMax, 'members take no more than twice the records of peers');
assert(membersPerProjectMax * projectsPerPeerMax < entriesMax, 'one peer leaves room for others');
assert(projectsPerPeerMax < membersPerProjectMax, 'a peer is in few projects');

interface Entry {
  addrs: string[];
  /** The network that it was told from. */
  network: string;
  at: number;
}

/**
 * The peers that asked for a project's members within the last three minutes (`TTL_MS`), in bounded memory: at a bound the oldest entry
 * goes, in a project that of the network with the most. `now` in milliseconds.
 */
export class MemberRegistry {
  readonly #projects = new Map<string, Map<string, Entry>>();
  readonly #projectsOf = new Map<string, Set<string>>();
  #entries = 0;

  put(root: string, peer: PeerAddress, network: string, now: number): void {
    this.#delete(root, peer.id);
    const roots = this.#projectsOf.get(peer.id);
    const [oldestRoot] = roots ?? [];
    if (oldestRoot !== undefined && (roots?.size ?? 0) >= memberLimits.projectsPerPeerMax) {
      this.#delete(oldestRoot, peer.id);
    }
    if (this.members(root) >= memberLimits.membersPerProjectMax) {
      const [oldest] = largest(this.#networks(root).values());
      if (oldest !== undefined) this.#delete(root, oldest[0]);
    }
    if (this.#entries >= memberLimits.entriesMax) this.#makeRoom();
    this.#insert(root, peer, network, now);
  }

  /** Up to `max` other members by chance: one of each network, then a second one. */
  others(root: string, self: string, max: number, now: number): PeerAddress[] {
    for (const [id, { at }] of this.#projects.get(root) ?? []) if (now - at > TTL_MS) this.#delete(root, id);
    const found: { peer: PeerAddress; turn: number; order: number }[] = [];
    for (const of of this.#networks(root).values())
      for (const [turn, [id, { addrs }]] of shuffled(of.filter(([other]) => other !== self)).entries())
        found.push({ peer: { id, addrs }, turn, order: Math.random() });
    return found
      .sort((a, b) => a.turn - b.turn || a.order - b.order)
      .slice(0, max)
      .map(({ peer }) => peer);
  }

  /** Members of a project by network, the oldest first. */
  #networks(root: string): Map<string, [string, Entry][]> {
    return Map.groupBy(this.#projects.get(root) ?? [], ([, { network }]) => network);
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
    addToSet(this.#projectsOf, peer.id, root);
    this.#entries += 1;
  }

  /** Removes the oldest entry of the peer in the most projects: an honest peer is in few, a Sybil in as many as allowed. */
  #makeRoom(): void {
    let [busiest, roots] = ['', new Set<string>()];
    for (const [peer, its] of this.#projectsOf) if (its.size > roots.size) [busiest, roots] = [peer, its];
    const [oldest] = roots;
    if (oldest !== undefined) this.#delete(oldest, busiest);
  }

  #delete(root: string, peer: string): void {
    const members = this.#projects.get(root);
    if (members?.delete(peer) !== true) return;
    this.#entries -= 1;
    if (members.size === 0) this.#projects.delete(root);
    dropFrom(this.#projectsOf, peer, root);
  }
}
