import { connectReachable } from '../artifacts/fetch.ts';
import { pullArtifact } from '../artifacts/transfer.ts';
import type { WorkerContext } from './context.ts';

/**
 * Fetches a tree into the public area from the controllers of the project. Returns the bytes that were fetched: none where it is
 * here. Errors: those of `connectReachable` and `pullArtifact`.
 */
export async function pullFromControllers(
  { store, mesh, credentials }: Pick<WorkerContext, 'store' | 'mesh' | 'credentials'>,
  cid: string,
  { maxBytes, signal }: { maxBytes: number; signal: AbortSignal },
): Promise<number> {
  if (await store.has(cid, signal)) return 0;
  const from = await connectReachable(mesh, credentials.membership.controllers);
  const { bytes } = await pullArtifact({ mesh, store }, cid, { from, signal, maxBytes });
  return bytes;
}
