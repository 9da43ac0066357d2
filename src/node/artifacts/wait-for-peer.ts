import type { Mesh } from '../../mesh/index.ts';

const lookMs = 50;

/** Waits until the mesh has a peer, `ms` at most. Returns whether it has. */
export async function waitForPeer(mesh: Mesh, signal: AbortSignal, ms: number): Promise<boolean> {
  for (let waited = 0; mesh.connected().length === 0 && waited < ms; waited += lookMs) {
    if (signal.aborted) return false;
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
  return mesh.connected().length > 0;
}
