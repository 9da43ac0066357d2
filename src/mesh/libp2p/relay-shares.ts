import type { PeerId } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import { networkOf } from '../network.ts';

/** Fields of the relay server of @libp2p/circuit-relay-v2, and of its store. */
interface RelayServer {
  reservationStore: ReservationStore;
}
interface ReservationStore {
  reservations: { entries(): IterableIterator<[PeerId, { addr: Multiaddr }]>; size: number };
  reserve(peer: PeerId, addr: Multiaddr, limit?: unknown): unknown;
  removeReservation(peer: PeerId): void;
  get(peer: PeerId): unknown;
}

/** Part of the reservations that one network may have. */
const networkShare = 1 / 8;

/**
 * Shares the reservations of a relay. The library keeps them for hours, also of peers that are gone, and refuses others when all are
 * taken: one address with a key for each takes them all. Here a network has its share, and gives its oldest for its next; where all
 * are taken the network with the most does. Returns what ends the reservation of a peer that is gone.
 */
export function shareReservations(relay: unknown, max: number): (peer: PeerId) => void {
  const { reservationStore: store } = relay as RelayServer;
  const { reserve } = store;
  /** The oldest first, by network. */
  const byNetwork = (): Map<string, PeerId[]> => {
    const networks = new Map<string, PeerId[]>();
    for (const [peer, { addr }] of store.reservations.entries()) {
      const network = networkOf(addr);
      const same = networks.get(network);
      if (same === undefined) networks.set(network, [peer]);
      else same.push(peer);
    }
    return networks;
  };
  store.reserve = (peer, addr, limit) => {
    if (store.get(peer) === undefined) {
      const networks = byNetwork();
      const own = networks.get(networkOf(addr)) ?? [];
      const [most = []] = [...networks.values()].sort((a, b) => b.length - a.length);
      const from =
        own.length >= max * networkShare
          ? own
          : store.reservations.size >= max && most.length > own.length
            ? most
            : [];
      const [oldest] = from;
      if (oldest !== undefined) store.removeReservation(oldest);
    }
    return reserve.call(store, peer, addr, limit);
  };
  return (peer) => store.removeReservation(peer);
}
