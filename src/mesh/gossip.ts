import { createHash } from 'node:crypto';
import type { GossipSub, GossipSubComponents, Message } from '@libp2p/gossipsub';
import { gossipsub, StrictSign } from '@libp2p/gossipsub';
import type { Connection } from '@libp2p/interface';
import { assert } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';
import { pacedRegistrar } from './libp2p/paced-gossip.ts';
import { meshLimits } from './limits.ts';
import type { MeshStats } from './types.ts';

/** Largest gossip message: one document, doubled for the message around it. */
export const GOSSIP_BYTES_MAX = limits.documentBytesMax * 2;
/** Largest RPC, which carries several messages and control data; a larger one resets the stream. */
const RPC_BYTES_MAX = GOSSIP_BYTES_MAX * 2;
/** Bytes queued for one neighbour that reads slowly; beyond this its stream is reset and opened again. */
const OUTBOUND_BYTES_MAX = 8 * 1024 * 1024;
assert(OUTBOUND_BYTES_MAX < meshLimits.heldBytesMax, 'gossip is not all that a connection holds');
/** From this size on neighbours are told at once that a message is here: below it a copy costs less than that control message. */
export const UNWANTED_BYTES_MIN = 32 * 1024;
assert(UNWANTED_BYTES_MIN < limits.documentBytesMax, 'a large document is sent once');

const TEXT = new TextEncoder();

/**
 * SHA-256 over topic, author and data. With data alone a peer could suppress a message by sending its bytes first where they are
 * rejected.
 */
function messageId(topic: string, author: Uint8Array | undefined, data: Uint8Array): Uint8Array {
  const hash = createHash('sha256');
  for (const part of [TEXT.encode(topic), author ?? new Uint8Array()]) {
    hash.update(Uint8Array.of(part.byteLength >> 8, part.byteLength & 0xff)).update(part);
  }
  return hash.update(data).digest();
}

const idOf = (message: Message): Uint8Array =>
  messageId(
    message.topic,
    message.type === 'signed' ? message.from.toMultihash().bytes : undefined,
    message.data,
  );

/** The gossip service for these topics. Reads from each account at most `meshLimits.gossipBytesPerSecond`. */
export function gossip(
  topics: string[],
  stats: MeshStats,
  account: (connection: Connection) => string,
): (components: GossipSubComponents) => GossipSub {
  const create = gossipsub({
    globalSignaturePolicy: StrictSign,
    allowedTopics: topics,
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    emitSelf: false,
    fallbackToFloodsub: false,
    idontwantMinDataSize: UNWANTED_BYTES_MIN,
    // Own messages go to all neighbours: a mesh is small, and one neighbour may drop a message.
    floodPublish: true,
    // Gossipsub's peer exchange accepts addresses from any peer that prunes us; `peer-exchange.ts` replaces it.
    doPX: false,
    runOnLimitedConnection: true,
    awaitRpcHandler: true,
    awaitRpcMessageHandler: true,
    maxInboundDataLength: RPC_BYTES_MAX,
    maxOutboundBufferSize: OUTBOUND_BYTES_MAX,
    maxInboundStreams: 4,
    maxOutboundStreams: 4,
    maxTopicBytesPerPeer: 64 * 1024,
    decodeRpcLimits: {
      maxSubscriptions: 64,
      maxMessages: 256,
      maxIhaveMessageIDs: 1_000,
      maxIwantMessageIDs: 1_000,
      maxIdontwantMessageIDs: 512,
      maxControlMessages: 256,
      maxPeerInfos: 16,
    },
    msgIdFn: idOf,
    fastMsgIdFn: (message) =>
      Buffer.from(messageId(message.topic, message.from, message.data ?? new Uint8Array())).toString(
        'base64',
      ),
    scoreThresholds: { gossipThreshold: -10, publishThreshold: -50, graylistThreshold: -80 },
    scoreParams: {
      // Several nodes share one address in an office or a test; a penalty for more than ten would empty the mesh.
      IPColocationFactorWeight: 0,
      topics: Object.fromEntries(topics.map((topic) => [topic, topicScore])),
    },
  });
  return (components) =>
    create({ ...only(components), registrar: pacedRegistrar(components.registrar, stats, account) });
}

/**
 * Only invalid messages count, squared: nine of them have a neighbour ignored for about 30 s. The mesh is too small for rates of
 * delivery.
 */
const topicScore = {
  topicWeight: 1,
  timeInMeshWeight: 0,
  timeInMeshQuantum: 1_000,
  timeInMeshCap: 1,
  firstMessageDeliveriesWeight: 0,
  firstMessageDeliveriesDecay: 0.5,
  firstMessageDeliveriesCap: 1,
  meshMessageDeliveriesWeight: 0,
  meshMessageDeliveriesDecay: 0.5,
  meshMessageDeliveriesCap: 1,
  meshMessageDeliveriesThreshold: 1,
  meshMessageDeliveriesWindow: 10,
  meshMessageDeliveriesActivation: 5_000,
  meshFailurePenaltyWeight: 0,
  meshFailurePenaltyDecay: 0.5,
  invalidMessageDeliveriesWeight: -1,
  invalidMessageDeliveriesDecay: 0.9,
};

/** libp2p passes components as a proxy that cannot be spread. */
const only = (c: GossipSubComponents): GossipSubComponents => ({
  privateKey: c.privateKey,
  peerId: c.peerId,
  peerStore: c.peerStore,
  registrar: c.registrar,
  connectionManager: c.connectionManager,
  logger: c.logger,
});
