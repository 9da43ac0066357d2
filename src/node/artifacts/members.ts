import { type Mesh, type PeerAddress, projectRendezvous } from '../../mesh/index.ts';
import { artifactLimits } from './limits.ts';

/** Peers that provide a key of the DHT: those that were found until the search failed, or its time was over. */
export async function providersFound(
  mesh: Mesh,
  key: string,
  options: { signal: AbortSignal; max: number },
): Promise<PeerAddress[]> {
  const found: PeerAddress[] = [];
  try {
    for await (const peer of mesh.findProviders(key, options)) found.push(peer);
  } catch {
    // Those that were found until then.
  }
  return found;
}

/** Peers that say they belong to a project, from the DHT; those that were found until the time was over. */
export function membersOf(
  mesh: Mesh,
  project: string,
  timeoutMs: number,
  stop: AbortSignal,
): Promise<PeerAddress[]> {
  const signal = AbortSignal.any([stop, AbortSignal.timeout(timeoutMs)]);
  return providersFound(mesh, projectRendezvous(project), { signal, max: artifactLimits.peersMax });
}
