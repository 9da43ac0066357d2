import type { PeerId } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import { largest, networkOf } from '../network.ts';

/** Fields of the relay server of @libp2p/circuit-relay-v2, and of its store. */
interface ReservationStore {
  reservations: { entries(): IterableIterator<[PeerId, { addr: Multiaddr }]>; size: number };
  reserve(peer: PeerId, addr: Multiaddr, limit?: unknown): unknown;
  removeReservation(peer: PeerId): void;
  get(peer: PeerId): unknown;
}

/** Part of the reservations that one network may have. */
const networkShare = 1 / 8;

/**
 * Shares the reservations of a relay: a network has its share, and gives its oldest for its next; where all are taken the network with
 * the most does. The library keeps them for hours, so that one address with many keys takes them all. Returns what ends the reservation
 * of a peer that is gone.
 */
export function shareReservations(relay: unknown, max: number): (peer: PeerId) => void {
  const { reservationStore: store } = relay as { reservationStore: ReservationStore };
  const { reserve } = store;
  store.reserve = (peer, addr, limit) => {
    if (store.get(peer) === undefined) {
      // The oldest first.
      const networks = Map.groupBy(store.reservations.entries(), ([, taken]) => networkOf(taken.addr));
      const own = networks.get(networkOf(addr)) ?? [];
      const most = largest(networks.values());
      const isFull = store.reservations.size >= max && most.length > own.length;
      const [oldest] = own.length >= max * networkShare ? own : isFull ? most : [];
      if (oldest !== undefined) store.removeReservation(oldest[0]);
    }
    return reserve.call(store, peer, addr, limit);
  };
  return (peer) => store.removeReservation(peer);
}
