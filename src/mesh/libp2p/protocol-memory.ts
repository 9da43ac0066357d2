import type { Peer, PeerId, PeerStore } from '@libp2p/interface';
import { meshLimits } from '../limits.ts';

interface Known {
  at: number;
  peer: Peer;
}

/** Writes to the peer store once per connection, protocol and `protocolMemoryMs` that a peer speaks a protocol, and not for each stream. */
export function rememberProtocols(store: PeerStore): { forget(peer: PeerId): void } {
  const known = new Map<string, Map<string, Known>>();
  const merge = store.merge.bind(store);
  store.merge = async (peer, data, options) => {
    const { protocols, ...more } = data;
    const [protocol, ...others] = protocols ?? [];
    if (protocol === undefined || others.length > 0 || Object.keys(more).length > 0)
      return merge(peer, data, options);
    const name = peer.toString();
    const before = known.get(name)?.get(protocol);
    const now = performance.now();
    if (before !== undefined && now - before.at < meshLimits.protocolMemoryMs) return before.peer;
    const merged = await merge(peer, data, options);
    if (known.size >= meshLimits.bootstrapConnectionsMax) known.clear();
    const ofPeer = known.get(name) ?? new Map<string, Known>();
    known.set(name, ofPeer.set(protocol, { at: now, peer: merged }));
    return merged;
  };
  const forget = (peer: PeerId): void => {
    known.delete(peer.toString());
  };
  const remove = store.delete.bind(store);
  store.delete = (peer, options) => {
    forget(peer);
    return remove(peer, options);
  };
  return { forget };
}
