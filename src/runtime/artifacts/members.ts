import { type Mesh, type PeerAddress, projectRendezvous } from '../../mesh/index.ts';

/** Members asked for the charter where no controller answers. */
const membersMax = 8;

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
    for await (const peer of mesh.findProviders(projectRendezvous(project), { signal, max: membersMax }))
      found.push(peer);
  } catch {
    // Those that were found until then.
  }
  return found;
}
