import type { Rank } from '../protocol/base/rank.ts';
import { meshLimits } from './limits.ts';
import { largest } from './network.ts';

/** A connection, as far as its place goes. */
export interface Place {
  peer: string;
  rank: Rank;
  network: string;
  inbound: boolean;
  /** When it opened, in milliseconds of the clock that `now` is of. */
  since: number;
  isIdle(): boolean;
}

/** A connection that has to leave. `refuse`: it is told so. */
export type Leaves<C> = { connection: C; kind: 'close' } | { connection: C; kind: 'refuse'; says: string };

export interface Room<C> {
  max: number;
  now: number;
  /** Guests come to ask something: a place that one has had for a while is another's. Otherwise they are peers that stay. */
  visits: boolean;
  newest: C | undefined;
}

type Open<C> = readonly (readonly [C, Place])[];

/**
 * The connection that has to leave, where there are too many; `open` in the order in which they opened. A part of `max` places is kept
 * for owners, and a part for guests; members have the others, which guests may use meanwhile. Of members the key with far more
 * connections than that of the newest loses its newest. Of guests the network with more than its share loses its oldest; then who has
 * been here for long; then, for one who is no guest, the network with the most. Otherwise the newest finds no place.
 */
export function roomFor<C>(open: Open<C>, { max, now, visits, newest }: Room<C>): Leaves<C> | undefined {
  const reserve = reserveOf(max);
  const says = `all ${max} connections are taken`;
  const refused = ([connection]: Open<C>[number]): Leaves<C> => ({ connection, kind: 'refuse', says });
  const guests = open.filter(([, { rank }]) => rank === 'guest');
  const members = open.filter(([, { rank }]) => rank === 'member');
  const late = latest(members.filter(([, { inbound }]) => inbound));
  if (members.length > max - 2 * reserve && late !== undefined) return refused(late);
  if (open.length <= max && guests.length + members.length <= max - reserve) return undefined;
  const share = networkShareOf(max);
  const inbound = guests.filter(([, place]) => place.inbound);
  const outbound = guests.filter(([, place]) => !place.inbound && place.isIdle());
  const comes = open.find(([connection]) => connection === newest);
  const isLent = visits && guests.length > reserve && comes?.[1].rank !== 'guest';
  const leaves =
    greediest(inbound, share) ??
    greediest(outbound, share) ??
    (visits ? lingering(inbound, now - meshLimits.guestMs) : undefined) ??
    (isLent ? (greediest(inbound, 0) ?? greediest(outbound, 0)) : undefined);
  if (leaves !== undefined) return { connection: leaves, kind: 'close' };
  if (comes?.[1].rank === 'guest' && comes[1].inbound) return refused(comes);
  const last = open.findLast(([, place]) => place.inbound);
  return open.length > max && last !== undefined ? refused(last) : undefined;
}

/** The newest connection, where its key has more of them than its share, whatever it is. */
export function beyondShare<C>(open: Open<C>, newest: C, max: number): Leaves<C> | undefined {
  const own = open.findLast(([connection]) => connection === newest)?.[1];
  if (own?.inbound !== true) return undefined;
  const share = networkShareOf(max);
  if (open.filter(([, { peer }]) => peer === own.peer).length <= share) return undefined;
  const says = `one key may have ${share} of the ${max} connections here`;
  return { connection: newest, kind: 'refuse', says };
}

/** Places that are kept for owners, and as many for guests. */
export const reserveOf = (max: number): number => Math.max(2, Math.floor(max * meshLimits.reserveShare));

const networkShareOf = (max: number): number => Math.max(2, Math.floor(max * meshLimits.networkShare));

/** Open connections of the network, or of the key, that has the most. */
const most = <C>(open: Open<C>, keyOf: (place: Place) => string): Open<C> =>
  largest(Map.groupBy(open, ([, place]) => keyOf(place)).values());

/** The newest of the key that has the most, where that is more than one above what the key of the newest has; otherwise the newest. */
function latest<C>(open: Open<C>): Open<C>[number] | undefined {
  const last = open.at(-1);
  const own = open.filter(([, { peer }]) => peer === last?.[1].peer);
  const greedy = most(open, ({ peer }) => peer);
  return greedy.length > own.length + 1 ? greedy.at(-1) : last;
}

/** The oldest of the network with the most; undefined where that has no more than its share. */
function greediest<C>(open: Open<C>, share: number): C | undefined {
  const own = most(open, ({ network }) => network);
  return own.length > share ? own[0]?.[0] : undefined;
}

/** One that opened before that time: the oldest that nobody uses, or the oldest. */
function lingering<C>(open: Open<C>, before: number): C | undefined {
  const here = open.filter(([, { since }]) => since < before);
  return (here.find(([, place]) => place.isIdle()) ?? here[0])?.[0];
}
