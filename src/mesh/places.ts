import type { Rank } from '../core/rank.ts';
import { meshLimits } from './limits.ts';

/** A connection, as far as its place goes. */
export interface Place {
  peer: string;
  rank: Rank;
  network: string;
  inbound: boolean;
  /** When it opened, in milliseconds of the clock that `now` is of. */
  since: number;
  /** Whether no request uses the connection. */
  isIdle(): boolean;
}

/** A connection that has to leave. `refuse`: it is told so. */
export type Leaves<C> = { connection: C; kind: 'close' } | { connection: C; kind: 'refuse'; says: string };

export interface Room<C> {
  max: number;
  now: number;
  /** Guests come to ask something: a place that one has had for a while is another's. Otherwise they are peers that stay. */
  visits: boolean;
  /** The connection that opened just now. */
  newest: C | undefined;
}

type Open<C> = readonly (readonly [C, Place])[];

/**
 * The connection that has to leave, where there are too many; `open` in the order in which they opened. A part of `max` places is kept
 * for owners, and a part for guests: members have the others. Of guests the network with the most loses its oldest, where it has more
 * than its share; then who has been here for long; otherwise the newest finds no place.
 */
export function roomFor<C>(open: Open<C>, { max, now, visits, newest }: Room<C>): Leaves<C> | undefined {
  const reserve = reserveOf(max);
  const last = open.findLast(([, { inbound }]) => inbound);
  if (open.length > max && last !== undefined)
    return { connection: last[0], kind: 'refuse', says: full(max) };
  const members = open.filter(([, { rank }]) => rank === 'member');
  const late = members.findLast(([, { inbound }]) => inbound);
  if (members.length > max - 2 * reserve && late !== undefined)
    return { connection: late[0], kind: 'refuse', says: full(max) };
  const guests = open.filter(([, { rank }]) => rank === 'guest');
  if (guests.length + members.length <= max - reserve) return undefined;
  const share = networkShareOf(max);
  const inbound = guests.filter(([, place]) => place.inbound);
  const outbound = guests.filter(([, place]) => !place.inbound && place.isIdle());
  const leaves =
    greediest(inbound, share) ??
    greediest(outbound, share) ??
    (visits ? lingering(inbound, now - meshLimits.guestMs) : undefined);
  if (leaves !== undefined) return { connection: leaves, kind: 'close' };
  const guest = inbound.find(([connection]) => connection === newest);
  return guest === undefined ? undefined : { connection: guest[0], kind: 'refuse', says: full(max) };
}

/** The newest connection, where its key has more of them than its share, whatever it is. */
export function beyondShare<C>(open: Open<C>, newest: C, max: number): Leaves<C> | undefined {
  const own = open.findLast(([connection]) => connection === newest)?.[1];
  if (own?.inbound !== true) return undefined;
  const share = networkShareOf(max);
  if (open.filter(([, { peer }]) => peer === own.peer).length <= share) return undefined;
  return {
    connection: newest,
    kind: 'refuse',
    says: `one key may have ${share} of the ${max} connections here`,
  };
}

/** Places that are kept for owners, and as many for guests. */
export const reserveOf = (max: number): number => Math.max(2, Math.floor(max * meshLimits.reserveShare));

const networkShareOf = (max: number): number => Math.max(2, Math.floor(max * meshLimits.networkShare));

const full = (max: number): string => `all ${max} connections are taken`;

/** The oldest of the network with the most; undefined where that has no more than its share. */
function greediest<C>(open: Open<C>, share: number): C | undefined {
  const networks = new Map<string, (readonly [C, Place])[]>();
  for (const one of open) {
    const same = networks.get(one[1].network);
    if (same === undefined) networks.set(one[1].network, [one]);
    else same.push(one);
  }
  const [most = []] = [...networks.values()].sort((a, b) => b.length - a.length);
  return most.length > share ? most[0]?.[0] : undefined;
}

/** One that opened before that time: the oldest that nobody uses, or the oldest. */
function lingering<C>(open: Open<C>, before: number): C | undefined {
  const here = open.filter(([, { since }]) => since < before);
  return (here.find(([, place]) => place.isIdle()) ?? here[0])?.[0];
}
