import type { Mesh } from '../../mesh/index.ts';
import { limits } from '../../protocol/base/limits.ts';
import type { Link } from '../../protocol/sessions/ports.ts';
import { meteredBounds } from '../../protocol/wire/bounds.ts';
import { protocols } from '../../protocol/wire/protocols.ts';
import type { Store } from '../../store/index.ts';
import {
  fetchTree,
  messageBytesMax,
  type Provider,
  refusedTransfer,
  serveTrees,
  TransferFailed,
} from '../../transfer/index.ts';
import { artifactLimits } from './limits.ts';

const unspoken = 'MESH_PROTOCOL_UNKNOWN';

interface Ends {
  mesh: Mesh;
  store: Store;
}

export function serveArtifacts({ mesh, store }: Ends): void {
  mesh.handle(protocols.car, (channel) => serveTrees(channel, store.blocks), {
    ...meteredBounds('car'),
    maxSendBytes: messageBytesMax,
    guestStreams: artifactLimits.guestStreamsMax,
    sentBytesPerTurn: artifactLimits.servedBytesPerTurn,
    refusal: refusedTransfer,
  });
}

export interface PullOptions {
  /** Peers to fetch from, by PeerId, or as a provider. */
  from: readonly (string | Provider)[];
  signal: AbortSignal;
  /** Limit in bytes of all its blocks. Default: `limits.treeBytesMax`. */
  maxBytes?: number;
  /** Called with the bytes present, and with the stated (unverified) size of the tree once its root is here. */
  onProgress?: (bytes: number, total: number | undefined) => void;
}

/**
 * Fetches a whole tree into the store's public area: by `/quorate/car/1`, or by Bitswap from peers without that protocol. Blocks that
 * have arrived are kept. @throws TRANSFER_…, STORE_…, the signal's reason
 */
export async function pullArtifact(
  { mesh, store }: Ends,
  root: string,
  { from, signal, maxBytes = limits.treeBytesMax, onProgress }: PullOptions,
): Promise<{ bytes: number }> {
  const { blocks } = store;
  let isTotalAsked = false;
  let total: number | undefined;
  const readTotal = async (): Promise<void> => {
    const cid = blocks.parse(root);
    total = blocks.statedBytes(cid, await blocks.read(cid));
  };
  const progress = (bytes: number): void => {
    if (bytes > 0 && !isTotalAsked) {
      isTotalAsked = true;
      void readTotal().catch(() => {});
    }
    onProgress?.(bytes, total === undefined ? undefined : Math.max(total, bytes));
  };
  const options = { signal, maxBytes, onProgress: progress };
  const providers = providersOf(mesh, from, signal);
  try {
    return await blocks.during(() => fetchTree(blocks.parse(root), blocks, providers, options));
  } catch (error) {
    if (!(error instanceof TransferFailed)) throw error;
    const others = bitswapOnly(from, error.dropped);
    if (others.length === 0) throw error;
    return store.pull(root, { ...options, from: others });
  }
}

/** Peers of which no process speaks `/quorate/car/1`. */
function bitswapOnly(from: PullOptions['from'], dropped: TransferFailed['dropped']): string[] {
  const speak = new Set(dropped.flatMap(({ peer, code }) => (code === unspoken ? [] : [peer])));
  return from.filter((peer) => typeof peer === 'string').filter((peer) => !speak.has(peer));
}

/** Peers as those who serve trees by `/quorate/car/1`. Several processes of one peer are a provider each: any of them may have the tree. */
export function providersOf(
  mesh: Mesh,
  from: readonly (string | Provider)[],
  signal: AbortSignal,
): Provider[] {
  return [...new Set(from)].flatMap((peer): Provider[] => {
    if (typeof peer !== 'string') return [peer];
    const links = mesh.links(peer);
    const open = (stop: AbortSignal) =>
      mesh.open(peer, protocols.car, {
        signal: AbortSignal.any([signal, stop]),
        maxMessageBytes: messageBytesMax,
      });
    return links.length > 1 ? links.map(providerOver) : [{ peer, open }];
  });
}

/** The process at the other end of a connection as a provider. */
export function providerOver(link: Link): Provider {
  const open = () =>
    link.open(protocols.car, { timeoutMs: artifactLimits.openMs, maxMessageBytes: messageBytesMax });
  return { peer: link.peer, open };
}
