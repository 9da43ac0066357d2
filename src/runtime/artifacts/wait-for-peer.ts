import type { Mesh } from '../../mesh/index.ts';

/** Waits until the mesh has a peer, ten seconds at most. */
export async function waitForPeer(mesh: Mesh, signal: AbortSignal): Promise<void> {
  for (let waited = 0; mesh.connected().length === 0 && waited < 10_000; waited += 50) {
    if (signal.aborted) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
