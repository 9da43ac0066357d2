import { connectReachable } from '../../node/artifacts/fetch.ts';
import { artifactLimits } from '../../node/artifacts/limits.ts';
import { providersFound } from '../../node/artifacts/members.ts';
import { pullArtifact } from '../../node/artifacts/transfer.ts';
import { codeOf } from '../../protocol/base/errors.ts';
import type { WorkerContext } from './context.ts';
import { workerNodeLimits } from './limits.ts';

/** The peers that were asked do not have all of the tree, or none could be reached. */
const lacking = ['TRANSFER_FAILED', 'TRANSFER_NO_PROVIDER', 'STORE_PULL_BLOCK_MISSING'];

/**
 * Fetches a tree from the controllers, or else from peers that announce it. Returns the bytes that were fetched.
 * @throws as `connectReachable` and `pullArtifact`
 */
export async function pullFromControllers(
  { store, mesh, credentials }: Pick<WorkerContext, 'store' | 'mesh' | 'credentials'>,
  cid: string,
  { maxBytes, signal }: { maxBytes: number; signal: AbortSignal },
): Promise<number> {
  if (await store.has(cid, signal)) return 0;
  const from = await connectReachable(mesh, credentials.membership.controllers);
  try {
    return (await pullArtifact({ mesh, store }, cid, { from, signal, maxBytes })).bytes;
  } catch (error) {
    signal.throwIfAborted();
    if (!lacking.includes(codeOf(error))) throw error;
    const within = AbortSignal.any([signal, AbortSignal.timeout(workerNodeLimits.findPeersMs)]);
    const found = await providersFound(mesh, cid, { signal: within, max: artifactLimits.peersMax });
    signal.throwIfAborted();
    const others = await connectReachable(mesh, found);
    if (others.length === 0) throw error;
    return (await pullArtifact({ mesh, store }, cid, { from: others, signal, maxBytes })).bytes;
  }
}
