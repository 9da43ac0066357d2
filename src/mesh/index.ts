import type { Mesh } from './node.ts';
import type { MeshOptions } from './types.ts';

export type { MeshErrorCode } from './error-codes.ts';
export type { Mesh } from './node.ts';
export { projectRendezvous } from './rendezvous.ts';
export type * from './types.ts';

/**
 * Starts a node of the mesh, whose stack is loaded here and not on import. @throws MESH_LISTEN_FAILED, MESH_ADDRESS_INVALID,
 * MESH_ARGUMENT_INVALID
 */
export async function openMesh(options: MeshOptions): Promise<Mesh> {
  const { startMesh } = await import('./node.ts');
  return startMesh(options);
}
