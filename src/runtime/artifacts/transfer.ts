import { limits } from '../../core/limits.ts';
import { protocols } from '../../core/wire/protocols.ts';
import type { Mesh } from '../../mesh/index.ts';
import type { Store } from '../../store/index.ts';
import { fetchTree, messageBytesMax, serveTrees, TransferFailed } from '../../transfer/index.ts';
import { artifactLimits } from './limits.ts';

interface Ends {
  mesh: Mesh;
  store: Store;
}

/** Gives published trees to whoever asks. */
export function serveArtifacts({ mesh, store }: Ends): void {
  mesh.handle(protocols.car, (channel) => serveTrees(channel, store.blocks), {
    maxInboundStreams: artifactLimits.transferStreamsPerPeerMax,
    maxMessageBytes: messageBytesMax,
  });
}

export interface PullOptions {
  /** PeerIds. */
  from: readonly string[];
  signal: AbortSignal;
  /** Of all its blocks; `limits.treeBytesMax` unless told. */
  maxBytes?: number;
  /** Bytes that are here, and of the whole tree as who made it says, as soon as its root is here. */
  onProgress?: (bytes: number, total: number | undefined) => void;
}

/**
 * Brings a whole tree into the store's public area: as one stream from peers that speak our protocol, else by Bitswap
 * from those that do not. What has arrived is kept, so trying again goes on where it ended.
 * Errors: `TRANSFER_…`, `STORE_…`, the signal's reason.
 */
export async function pullArtifact(
  { mesh, store }: Ends,
  root: string,
  { from, signal, maxBytes = limits.treeBytesMax, onProgress }: PullOptions,
): Promise<{ bytes: number }> {
  const blocks = store.blocks;
  let total: number | undefined;
  const progress = (bytes: number): void => {
    if (total === undefined && bytes > 0) {
      total = bytes;
      const cid = blocks.parse(root);
      blocks.read(cid).then(
        (block) => {
          total = blocks.statedBytes(cid, block);
        },
        () => {},
      );
    }
    onProgress?.(bytes, total === undefined ? undefined : Math.max(total, bytes));
  };
  const providers = [...new Set(from)].map((peer) => ({
    peer,
    open: (stop: AbortSignal) =>
      mesh.open(peer, protocols.car, {
        signal: AbortSignal.any([signal, stop]),
        maxMessageBytes: messageBytesMax,
      }),
  }));
  try {
    return await store.blocks.during(() =>
      fetchTree(store.blocks.parse(root), store.blocks, providers, {
        signal,
        maxBytes,
        onProgress: progress,
      }),
    );
  } catch (error) {
    if (!(error instanceof TransferFailed)) throw error;
    const others = error.dropped.filter(({ code }) => code === 'MESH_PROTOCOL_UNKNOWN');
    if (others.length === 0) throw error;
    return store.pull(root, {
      from: others.map(({ peer }) => peer),
      signal,
      maxBytes,
      onProgress: progress,
    });
  }
}
