import type { PeerId } from '@libp2p/interface';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { expect, it } from 'vitest';
import { shareReservations } from '../../../src/mesh/libp2p/relay-shares.ts';

const max = 16;

/** A relay's store as far as it is used, without a limit of its own. */
function shared() {
  const reservations = new Map<PeerId, { addr: Multiaddr }>();
  const reservationStore = {
    reservations,
    reserve: (peer: PeerId, addr: Multiaddr, limit?: unknown) => {
      reservations.set(peer, { addr });
      return limit;
    },
    removeReservation: (peer: PeerId) => void reservations.delete(peer),
    get: (peer: PeerId) => reservations.get(peer),
  };
  const end = shareReservations({ reservationStore }, max);
  const peers = new Map<string, PeerId>();
  const peerOf = (name: string): PeerId => {
    const known = peers.get(name) ?? (name as unknown as PeerId);
    peers.set(name, known);
    return known;
  };
  const reserve = (name: string, host = name) =>
    reservationStore.reserve(peerOf(name), multiaddr(`/ip4/192.0.2.${host.charCodeAt(0)}/tcp/1`), 'limit');
  return { reserve, end: (name: string) => end(peerOf(name)), held: () => [...reservations.keys()].join() };
}

it('a network has an eighth of the reservations, and gives its oldest for its next', () => {
  const { reserve, held } = shared();
  for (const name of ['a1', 'b', 'a2', 'a1']) expect(reserve(name)).toBe('limit');
  expect(held()).toBe('a1,b,a2');
  reserve('a3');
  expect(held()).toBe('b,a2,a3');
});

it('where all are taken the network with the most gives its oldest, to one that has fewer', () => {
  const { reserve, held, end } = shared();
  for (let n = 0; n < 8; n++) for (const one of ['1', '2']) reserve(`${String.fromCharCode(97 + n)}${one}`);
  end('a1');
  reserve('i');
  expect(held().split(',')).toHaveLength(16);
  expect(held().startsWith('a2,b1,b2')).toBe(true);
  reserve('j');
  expect(held().startsWith('a2,b2,c1')).toBe(true);
  // A network with one reservation takes the place of one of the next network with two.
  reserve('a1');
  expect(held().startsWith('a2,b2,c2')).toBe(true);
  expect(held().split(',')).toHaveLength(16);
});
