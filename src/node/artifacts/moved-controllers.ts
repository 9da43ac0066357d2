import { generateSeed } from '../../identity/keys.ts';
import { type Mesh, type MeshOptions, openMesh, type PeerAddress } from '../../mesh/index.ts';
import { openCharter } from '../../protocol/sessions/ask.ts';
import { searchCharters } from '../../protocol/sessions/charter-search.ts';
import { controllersUnder } from '../../protocol/sessions/credentials.ts';
import { joseDocuments, meshDial } from '../ports.ts';
import { artifactLimits } from './limits.ts';

const lookMs = 50;

/** Waits until the mesh has a peer, `ms` at most. Returns whether it has. */
export async function waitForPeer(mesh: Mesh, signal: AbortSignal, ms: number): Promise<boolean> {
  for (let waited = 0; mesh.connected().length === 0 && waited < ms; waited += lookMs) {
    if (signal.aborted) return false;
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
  return mesh.connected().length > 0;
}

/**
 * Controllers that are found at the addresses of those that cannot be reached: their keys may have been replaced. Each is named by a
 * charter that the root key signed, of whatever epoch. @throws the reason of `signal` only
 */
export async function movedControllers(
  mesh: Mesh,
  project: string,
  missing: readonly PeerAddress[],
  signal: AbortSignal,
): Promise<PeerAddress[]> {
  const known = new Set(missing.map(({ id }) => id));
  const found = new Map<string, PeerAddress>();
  for (const raw of await searchCharters(meshDial(mesh, signal), missing)) {
    try {
      const { payload } = await openCharter(raw, project, joseDocuments);
      for (const peer of controllersUnder(payload, missing))
        if (!known.has(peer.id)) found.set(peer.id, peer);
    } catch {
      // A stranger may be at the address by now.
    }
  }
  signal.throwIfAborted();
  return [...found.values()];
}

const waitMsMax = 8_000;

/** Waits until the mesh has a peer. Where none answers soon, returns controllers that have another key by now at these addresses. */
export async function waitOrSearch(
  mesh: Mesh,
  project: string,
  known: readonly PeerAddress[],
  signal: AbortSignal,
): Promise<PeerAddress[]> {
  if (await waitForPeer(mesh, signal, artifactLimits.connectedMs)) return [];
  const moved = await movedControllers(mesh, project, known, signal);
  if (moved.length === 0) await waitForPeer(mesh, signal, waitMsMax);
  return moved;
}

/** A node of a moment, with a key of its own, to ask others. `peersFile`: where peers of earlier connections are remembered. */
export const openVisitor = (options: Pick<MeshOptions, 'bootstrap' | 'peersFile'>): Promise<Mesh> =>
  openMesh({ ...options, key: generateSeed(), listen: [], topics: [], role: 'node' });

/** Addresses that end in `/p2p/<id>`, by that id. */
export function peersOf(addrs: readonly string[]): PeerAddress[] {
  return addrs.flatMap((addr) => {
    const id = addr.includes('/p2p/') ? addr.split('/p2p/').at(-1) : undefined;
    return id === undefined ? [] : [{ id, addrs: [addr] }];
  });
}
