import type { PeerId } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { CID } from 'multiformats/cid';
import { QuorateError } from '../protocol/base/errors.ts';
import { addressError } from './errors.ts';
import type { PeerAddress } from './types.ts';

export function parseMultiaddr(text: string): Multiaddr {
  try {
    return multiaddr(text);
  } catch (cause) {
    throw addressError(text, cause);
  }
}

/** A multiaddr that names its peer: the last `/p2p/` is the peer to reach. */
export function parseAddress(text: string): PeerAddress {
  const last = parseMultiaddr(text).getComponents().at(-1);
  if (last?.name !== 'p2p' || last.value === undefined) throw addressError(text);
  return { id: parsePeer(last.value).toString(), addrs: [text] };
}

export function parsePeer(id: string): PeerId {
  try {
    return peerIdFromString(id);
  } catch (cause) {
    throw new QuorateError('MESH_ARGUMENT_INVALID', `not a PeerId: ${id}`, { cause });
  }
}

export function parseCid(cid: string): CID {
  try {
    return CID.parse(cid);
  } catch (cause) {
    throw new QuorateError('MESH_ARGUMENT_INVALID', `not a CID: ${cid}`, { cause });
  }
}

/** Whether it can be dialled: what others say of peers, and what a disk may have changed, may be anything. */
export function isDiallable({ id, addrs }: PeerAddress): boolean {
  try {
    parsePeer(id);
    for (const address of addrs) parseMultiaddr(address);
    return true;
  } catch {
    return false;
  }
}

export function withPeer(address: Multiaddr, id: string): Multiaddr {
  return address.getComponents().at(-1)?.name === 'p2p' ? address : address.encapsulate(`/p2p/${id}`);
}

export function groupByPeer(addresses: PeerAddress[]): PeerAddress[] {
  const peers = Map.groupBy(addresses, ({ id }) => id);
  return [...peers].map(([id, all]) => ({ id, addrs: all.flatMap(({ addrs }) => addrs) }));
}
