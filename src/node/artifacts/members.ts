import { type Mesh, type PeerAddress, projectRendezvous } from '../../mesh/index.ts';
import { artifactLimits } from './limits.ts';

/** Peers that say they belong to a project, from the DHT; those that were found until the time was over. */
export async function membersOf(
  mesh: Mesh,
  project: string,
  timeoutMs: number,
  stop: AbortSignal,
): Promise<PeerAddress[]> {
  const signal = AbortSignal.any([stop, AbortSignal.timeout(timeoutMs)]);
  const found: PeerAddress[] = [];
  try {
    for await (const peer of mesh.findProviders(projectRendezvous(project), {
      signal,
      max: artifactLimits.peersMax,
    }))
      found.push(peer);
  } catch {
    // Those that were found until then.
  }
  return found;
}
