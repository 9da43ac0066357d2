import type { Capabilities, Grant, Role, Verified } from '../documents/index.ts';
import type { Witnessed } from '../trust/witnesses.ts';
import type { Timings } from './events.ts';

/** A worker that is connected. */
export interface Present {
  operator: string;
  role: Role;
  enrolled: number;
  capabilities: Capabilities;
  grant: Verified<Grant>;
}

/**
 * What a controller knows of the connections of this life: who is there, when a lease was last heard of, who has answered an
 * offer. Members say such things all the time, so none of it is journaled: an event that changes nothing else has the
 * durability `none`, and no journaled event may depend on it. What follows from it (a window closes, a lease is lost) is an
 * event of its own, which the machine raises.
 */
export interface Presence {
  workers: Map<string, Present>;
  /** By lease. */
  heard: Map<string, { at: number; detachedAt: number | null }>;
  /** Workers that claimed or passed, by offer: its window closes when everybody present has. */
  answered: Map<string, Set<string>>;
  /** Where a candidate waits for its answer, if it has claimed again since. */
  tokens: WeakMap<object, string>;
  /** Drafts, by phase of their run: since when a signature is waited for, how often it could not be given, when it is asked for again. */
  retries: WeakMap<object, { since: number; tries: number; at: number | null }>;
  /** Who has witnessed what waits for witnesses, by run: those of the last checkpoint. */
  witnessed: Map<string, Witnessed>;
}

export function newPresence(): Presence {
  return {
    workers: new Map(),
    heard: new Map(),
    answered: new Map(),
    tokens: new WeakMap(),
    retries: new WeakMap(),
    witnessed: new Map(),
  };
}

/** How many operators have a worker connected. */
export function operatorsAround({ presence }: Pick<Known, 'presence'>): number {
  const found = new Set<string>();
  for (const { operator, role } of presence.workers.values()) if (role === 'worker') found.add(operator);
  return found.size;
}

/** Part of the controller's state. */
interface Known {
  presence: Presence;
  leases: ReadonlyMap<string, string>;
}

export function tokenOf({ presence }: Known, candidate: { token: string }): string {
  return presence.tokens.get(candidate) ?? candidate.token;
}

/** Workers that claimed or passed on an offer. */
export function answeredBy({ presence }: Known, offer: string): Set<string> {
  const found = presence.answered.get(offer) ?? new Set();
  presence.answered.set(offer, found);
  return found;
}

/** Leases that are over are forgotten when they are more than those that stand, and more than this. */
const staleMax = 1_000;

/** A lease was heard of. */
export function hear({ presence: { heard }, leases }: Known, lease: string, at: number): void {
  heard.set(lease, { at, detachedAt: null });
  if (heard.size <= staleMax + 2 * leases.size) return;
  for (const id of heard.keys()) if (id !== lease && !leases.has(id)) heard.delete(id);
}

/** The worker of a lease is back on another stream. It was not heard on it yet. */
export function attach({ presence: { heard } }: Known, lease: string): void {
  const known = heard.get(lease);
  if (known !== undefined) heard.set(lease, { ...known, detachedAt: null });
}

/** When a lease is lost for silence. One that was not heard of in this life counts from when it was given. */
export function silentAt(
  { presence, timings }: Known & { timings: Timings },
  { id, lease }: { id: string; lease: { iat: number } },
): number {
  const { at, detachedAt } = presence.heard.get(id) ?? { at: lease.iat * 1000, detachedAt: null };
  const silent = at + timings.leaseSilenceMs;
  return detachedAt === null ? silent : Math.min(silent, detachedAt + timings.detachGraceMs);
}
