import type { Mesh, PeerAddress } from '../../mesh/index.ts';
import { storeNodeLimits } from './limits.ts';

/**
 * Peers that may have a tree: those that announce it, and others by their PeerIds, as far as their addresses are found. None where
 * nobody is found in time. Errors: the signal's reason.
 */
export async function findHolders(
  mesh: Mesh,
  tree: string,
  others: readonly string[],
  stop: AbortSignal,
): Promise<PeerAddress[]> {
  const signal = AbortSignal.any([stop, AbortSignal.timeout(storeNodeLimits.findSecondsMax * 1000)]);
  const found = new Map<string, PeerAddress>();
  const max = storeNodeLimits.peersMax;
  const byId = others.slice(0, max).map(async (id) => {
    const addrs = await mesh.findPeer(id, { signal }).catch(() => undefined);
    if (addrs !== undefined) found.set(id, { id, addrs });
  });
  try {
    for await (const peer of mesh.findProviders(tree, { signal, max })) found.set(peer.id, peer);
  } catch {
    // Those that were found until then.
  }
  await Promise.all(byId);
  stop.throwIfAborted();
  return [...found.values()].filter(({ id }) => id !== mesh.id);
}
