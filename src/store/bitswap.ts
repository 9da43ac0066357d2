import { withBitswap } from '@helia/bitswap';
import type { Libp2p } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { createHeliaLight } from 'helia';
import type { CID } from 'multiformats/cid';
import { limits } from '../core/limits.ts';
import type { Blocks } from './blocks.ts';
import { storeLimits } from './limits.ts';

/** Fetches blocks from one peer. */
export interface PeerSession {
  /** Asks for a block, which is verified and stored in the public area. */
  fetch(cid: CID, signal: AbortSignal): Promise<void>;
  close(): void;
}

/** What the store needs of a network: it serves the public area on it and opens sessions over it. */
export interface Exchange {
  isConnected(peer: string): boolean;
  session(root: CID, peer: string): PeerSession;
  stop(): Promise<void>;
}

/**
 * Bitswap on a libp2p node of ours. The light Helia has no routers, no default libp2p and no HTTP, so nothing is looked
 * up, announced or asked of anybody but the peers a session names; it sees the public area's blocks only.
 */
export async function startExchange(libp2p: Libp2p, blocks: Blocks): Promise<Exchange> {
  const options = {
    maxInboundStreams: 256,
    maxOutboundStreams: 256,
    runOnLimitedConnections: true,
    // One chunk of the profile with its framing must fit; more only lets a peer make us hold more.
    maxOutgoingMessageSize: 2 * limits.blockBytesMax,
    maxIncomingMessageSize: 2 * limits.blockBytesMax,
    // Shared by all peers: one that reads slowly holds a single place, so there must be more places than peers.
    messageSendConcurrency: 256,
    messageReceiveTimeout: storeLimits.pullIdleSecondsMax * 1000,
    // A greedy peer's wants are all read into one answer: this times 1 MiB is what it can make us hold. The library's
    // options type spells the name another way than the code that reads it.
    maxWantListSize: 2 * storeLimits.pullWantsMax,
    // A second ask means that the first answer was lost: answer it at once.
    doNotResendBlockWindow: 0,
  };
  const helia = withBitswap(Object.assign(createHeliaLight({ blockstore: blocks }), { libp2p }), options);
  await helia.start();
  return {
    isConnected: (peer) => libp2p.getConnections().some(({ remotePeer }) => remotePeer.toString() === peer),
    session: (root, peer) => {
      const session = helia.blockstore.createSession(root, {
        providers: [peerIdFromString(peer).toCID()],
        minProviders: 1,
        maxProviders: 1,
      });
      return {
        fetch: async (cid, signal) => {
          for await (const _ of session.get(cid, { signal })) signal.throwIfAborted();
        },
        close: () => session.close(),
      };
    },
    stop: async () => {
      await helia.stop();
    },
  };
}
