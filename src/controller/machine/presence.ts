import type { Capabilities, Grant, Role, Verified } from '../../protocol/documents/index.ts';
import { drawOf } from '../../protocol/trust/draw.ts';
import type { Witnessed } from '../../protocol/trust/witnesses.ts';
import type { PeerVersion } from '../../protocol/wire/peer-version.ts';
import type { Timings } from './events.ts';
import type { Fetching } from './facts.ts';
import { controllerLimits } from './limits.ts';

export interface Present {
  operator: string;
  role: Role;
  enrolled: number;
  capabilities: Capabilities;
  grant: Verified<Grant>;
  /** Null where it states none. */
  version: PeerVersion | null;
  /** When it connected, ms since the epoch. */
  since: number;
}

/** Answer of a worker to an offer. A busy one claims once it is free; one that declined may claim later. */
type OfferAnswer = 'claimed' | 'busy' | 'declined';

/** Connected workers whose draw is below the share of a round, with their draw. Some of them may have left since. */
interface Contenders {
  seed: string;
  share: number;
  draws: Map<string, number>;
}

/**
 * Connections of this life of the controller. None of it is journaled, and no journaled event may depend on it: what follows
 * from it (a window closes, a lease is lost) is an event of its own, which the machine raises.
 */
export class Presence {
  workers = new Map<string, Present>();
  /** Ids of connected workers that cannot read a document that this controller may write. */
  behind = new Set<string>();
  /** Workers that left a moment ago, and when: `reconnectMs`. */
  gone = new Map<string, { worker: Present; at: number }>();
  /** When this life began, ms since the epoch: before it nobody could be there. */
  since: number;
  heard = new Map<string, { at: number; detachedAt: number | null }>();
  /** Answers of workers, by offer: its window closes when everybody present has answered. */
  answered = new Map<string, Map<string, OfferAnswer>>();
  /** Connected workers below the share of a round whose window is open, by offer: a claim costs the same however many are connected. */
  contenders = new Map<string, Contenders>();
  /** Since when nobody is there who could take what is left of a round, by offer; only where that is all it waits for. */
  absent = new Map<string, number>();
  /** Where a candidate waits for its answer, if it has claimed again since. */
  tokens = new WeakMap<object, string>();
  /** Drafts, by phase of their run: since when a signature is waited for, how often it could not be given, when it is asked for again. */
  retries = new WeakMap<object, { since: number; tries: number; at: number | null }>();
  /** The artifact that is being fetched, by run, until its own answer: one that was wanted before may end later. */
  fetching = new Map<string, Fetching & { artifact: string }>();
  /** Trees of trusted bundles that a trusted worker gave back, by run that a restore lost. */
  givenBack = new Map<string, string | null>();
  /** Witnesses of the last checkpoint, by run that waits for them. */
  witnessed = new Map<string, Witnessed>();

  constructor(since: number) {
    this.since = since;
  }
}

/** Number of operators with a connected worker that gets offers; `which`: of these. */
export function operatorsAround(
  { presence }: Pick<Known, 'presence'>,
  which: (worker: Present) => boolean = () => true,
): number {
  const found = new Set<string>();
  for (const worker of presence.workers.values())
    if (worker.role === 'worker' && worker.version !== null && which(worker)) found.add(worker.operator);
  return found.size;
}

export function workersByRole({ workers }: Presence): Record<'worker' | 'trusted-worker', number> {
  const counts = { worker: 0, 'trusted-worker': 0 };
  for (const { role } of workers.values()) if (role === 'worker' || role === 'trusted-worker') counts[role]++;
  return counts;
}

/** A member is no member any more, and does not come back. */
export function expel({ workers, behind }: Presence, id: string): void {
  workers.delete(id);
  behind.delete(id);
}

export function arrive(presence: Presence, id: string, worker: Present): void {
  presence.workers.set(id, worker);
  presence.gone.delete(id);
  contend(presence, id, worker);
}

export function leave(presence: Presence, id: string, now: number): void {
  const { workers, gone } = presence;
  const worker = workers.get(id);
  expel(presence, id);
  for (const [other, { at }] of gone) if (at + controllerLimits.reconnectMs < now) gone.delete(other);
  if (worker !== undefined) gone.set(id, { worker, at: now });
}

export function forgetOffer({ presence }: Pick<Known, 'presence'>, offer: string): void {
  presence.answered.delete(offer);
  presence.contenders.delete(offer);
  presence.absent.delete(offer);
}

/** Adds a worker that connected to those below the share of each open window. */
function contend({ contenders }: Presence, worker: string, { role, operator }: Present): void {
  if (role !== 'worker') return;
  for (const { seed, share, draws } of contenders.values()) {
    const draw = drawOf(operator, seed);
    if (draw < share) draws.set(worker, draw);
  }
}

/** Workers of now, by their draw, that are below a share. */
export function contendersOf(
  { contenders, workers }: Presence,
  offer: string,
  { seed, share }: { seed: string; share: number },
): ReadonlyMap<string, number> {
  const known = contenders.get(offer);
  if (known?.share === share) return known.draws;
  const drawn = new Map<string, number>();
  const draws = new Map<string, number>();
  for (const [worker, { role, operator }] of workers) {
    if (role !== 'worker') continue;
    const draw = drawn.get(operator) ?? drawOf(operator, seed);
    drawn.set(operator, draw);
    if (draw < share) draws.set(worker, draw);
  }
  contenders.set(offer, { seed, share, draws });
  return draws;
}

interface Known {
  presence: Presence;
  leases: ReadonlyMap<string, string>;
}

export function tokenOf({ presence }: Known, candidate: { token: string }): string {
  return presence.tokens.get(candidate) ?? candidate.token;
}

export function answeredBy({ presence }: Known, offer: string): Map<string, OfferAnswer> {
  const found = presence.answered.get(offer) ?? new Map<string, OfferAnswer>();
  presence.answered.set(offer, found);
  return found;
}

/** Leases that are over are forgotten when they are more than those that stand, and more than this. */
const staleMax = 1_000;

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

/** When the round of an offer ends with its free slots empty, in ms; undefined while somebody could take them. */
export function absenceEndsAt(
  { presence, timings }: Pick<Known, 'presence'> & { timings: Timings },
  offer: string,
): number | undefined {
  const since = presence.absent.get(offer);
  return since === undefined ? undefined : since + Math.min(timings.absenceMs, controllerLimits.absenceMsMax);
}
