import { withBitswap } from '@helia/bitswap';
import type { Libp2p } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { createHeliaLight } from 'helia';
import type { CID } from 'multiformats/cid';
import { limits } from '../protocol/base/limits.ts';
import type { Blocks } from './blocks.ts';
import { storeLimits } from './limits.ts';

export interface PeerSession {
  /** Asks for a block, which is verified and stored in the public area. */
  fetch(cid: CID, signal: AbortSignal): Promise<void>;
  close(): void;
}

/** The store's port to the network: the public area is served on it, and blocks are fetched over sessions. */
export interface Exchange {
  isConnected(peer: string): boolean;
  session(root: CID, peer: string): PeerSession;
  stop(): Promise<void>;
}

/**
 * Bitswap on this node's libp2p. The light Helia looks up and announces nothing, asks only the peers of a session, and sees only public
 * blocks.
 */
export async function startExchange(libp2p: Libp2p, blocks: Blocks): Promise<Exchange> {
  const options = {
    maxInboundStreams: 256,
    maxOutboundStreams: 256,
    runOnLimitedConnections: true,
    // One chunk of the profile with its framing; a higher limit would let a peer use more memory.
    maxOutgoingMessageSize: 2 * limits.blockBytesMax,
    maxIncomingMessageSize: 2 * limits.blockBytesMax,
    // Shared by all peers. A slow reader occupies one, so there must be more than peers.
    messageSendConcurrency: 256,
    messageReceiveTimeout: storeLimits.pullIdleSecondsMax * 1000,
    // All wants of a peer are read into one answer: the memory one peer can use is this times 1 MiB. The name in the
    // library's options type differs from the one its code reads.
    maxWantListSize: 2 * storeLimits.pullWantsMax,
    // A repeated want means that the first answer was lost: answer at once.
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
