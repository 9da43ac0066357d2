import type { Mesh, MeshOptions } from './types.ts';

export type { MeshErrorCode } from './error-codes.ts';
export { projectRendezvous } from './rendezvous.ts';
export type {
  Channel,
  DialTarget,
  Link,
  Mesh,
  MeshOptions,
  MeshStats,
  OpenOptions,
  PeerAddress,
  PeerEvent,
  ProtocolOptions,
  Validator,
  Verdict,
} from './types.ts';

/**
 * Starts a node of the mesh. The peer-to-peer stack is loaded here and not on import.
 * @throws MESH_LISTEN_FAILED, MESH_ADDRESS_INVALID, MESH_ARGUMENT_INVALID
 */
export async function openMesh(options: MeshOptions): Promise<Mesh> {
  const { startMesh } = await import('./node.ts');
  return startMesh(options);
}
