import { autoNAT } from '@libp2p/autonat';
import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2';
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import { dcutr } from '@libp2p/dcutr';
import type { GossipSub } from '@libp2p/gossipsub';
import { identify, identifyPush } from '@libp2p/identify';
import type { ComponentLogger, Connection, Libp2p, Logger } from '@libp2p/interface';
import { type KadDHT, kadDHT, passthroughMapper } from '@libp2p/kad-dht';
import { type Ping, ping } from '@libp2p/ping';
import { createLibp2p } from 'libp2p';
import { Bandwidth } from '../protocol/base/bandwidth.ts';
import { assert, QuorateError } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';
import { BoundedDatastore, DHT_PREFIX, DHT_PROTOCOL } from './datastore.ts';
import { listenError } from './errors.ts';
import { gossip } from './gossip.ts';
import { batchedNoise } from './libp2p/batched-noise.ts';
import { meteredTcp, type TcpGuards } from './libp2p/metered-tcp.ts';
import { pacedYamux } from './libp2p/paced-yamux.ts';
import { rememberProtocols } from './libp2p/protocol-memory.ts';
import { shareReservations } from './libp2p/relay-shares.ts';
import { meshLimits } from './limits.ts';
import { accountOf } from './link.ts';
import { networkOf } from './network.ts';
import { type RelayComponents, RelayReservation } from './relay-reservation.ts';
import type { MeshOptions, MeshStats } from './types.ts';

/** Drops all log messages: libp2p's default logger costs as much processor time as the encryption of a short stream. */
const silent: Logger = Object.assign(() => {}, {
  error: () => {},
  trace: () => {},
  enabled: false,
  newScope: () => silent,
});

export const silentLogger: ComponentLogger = { forComponent: () => silent };

const SEED_BYTES = 32;
const HOUR_MS = 3_600_000;

/** A bootstrap node has no gossip: it cannot validate messages, and forwarding invalid ones counts against a peer. */
export type Services = { pubsub?: GossipSub; dht: KadDHT; ping: Ping } & Record<string, unknown>;
export type Libp2pNode = Libp2p<Services>;

/** Limits of relayed connections: enough for leases, logs and gossip, too little for artifacts. */
const RELAY = {
  maxReservations: 512,
  reservationTtl: 2 * HOUR_MS,
  applyDefaultLimit: true,
  defaultDurationLimit: HOUR_MS,
  defaultDataLimit: 64n * 1024n * 1024n,
};
assert(RELAY.defaultDataLimit < limits.treeBytesMax, 'a tree does not fit');

export function connectionsMax({ maxConnections, role }: MeshOptions): number {
  return (
    maxConnections ?? (role === 'bootstrap' ? meshLimits.bootstrapConnectionsMax : meshLimits.connectionsMax)
  );
}

const refuseRecord = (): never => {
  throw new QuorateError('MESH_RECORD_REFUSED', 'this network stores no values, only provider records');
};

/** Creates and starts the libp2p node. @throws MESH_ARGUMENT_INVALID, MESH_LISTEN_FAILED */
export async function startLibp2p(
  options: MeshOptions,
  bootstrapIds: ReadonlySet<string>,
  { stats, guards }: { stats: MeshStats; guards: TcpGuards },
): Promise<Libp2pNode> {
  if (options.key.byteLength !== SEED_BYTES) {
    throw new QuorateError(
      'MESH_ARGUMENT_INVALID',
      `a node's key has ${SEED_BYTES} bytes, not ${options.key.byteLength}`,
    );
  }
  const privateKey = await generateKeyPairFromSeed('Ed25519', options.key);
  const server = options.role === 'bootstrap';
  const { fullMax, pendingInboundMax, waitingInboundMax } = meshLimits;
  // `ConnectionPruner` keeps the connections below their limit, once it is known whose they are.
  const maxConnections = connectionsMax(options) + fullMax + pendingInboundMax;
  const connected = new Set<string>();
  const self = privateKey.publicKey.toString();
  const account = ({ remotePeer, remoteAddr }: Connection): string => {
    const peer = remotePeer.toString();
    return accountOf({ peer, rank: options.rankOf?.(peer) ?? 'member', network: networkOf(remoteAddr) });
  };
  const datastore = new BoundedDatastore(
    (peer) => peer === self || connected.has(peer),
    () => {
      stats.recordsEvicted += 1;
    },
  );
  const relayed = !server && (options.announce ?? []).length === 0;
  const node: Libp2pNode = await createLibp2p<Services>({
    privateKey,
    start: false,
    logger: silentLogger,
    nodeInfo: { name: 'quorate', userAgent: 'quorate' },
    addresses: { listen: options.listen, announce: options.announce ?? [] },
    datastore,
    transports: [
      meteredTcp(
        { maxConnections: maxConnections + waitingInboundMax },
        options.bandwidth ?? new Bandwidth(),
        guards,
      ),
      circuitRelayTransport(),
    ],
    connectionEncrypters: [batchedNoise()],
    streamMuxers: [
      pacedYamux({
        maxInboundStreams: 512,
        maxEarlyStreams: meshLimits.earlyStreamsMax,
        streamOptions: { maxStreamWindowSize: limits.meshWindowBytes },
      }),
    ],
    connectionManager: {
      maxConnections,
      // `InboundGate` paces them.
      inboundConnectionThreshold: Number.MAX_SAFE_INTEGER,
      maxIncomingPendingConnections: 2 * pendingInboundMax,
      inboundUpgradeTimeout: meshLimits.upgradeMs,
      dialTimeout: meshLimits.dialMs,
      addressDialTimeout: meshLimits.addressDialMs,
      maxPeerAddrsToDial: 12,
    },
    // `liveness.ts` replaces it.
    connectionMonitor: { enabled: false },
    services: {
      identify: identify(),
      identifyPush: identifyPush(),
      ping: ping(),
      dht: kadDHT({
        protocol: DHT_PROTOCOL,
        clientMode: false,
        peerInfoMapper: passthroughMapper,
        allowQueryWithZeroPeers: true,
        // Peers that a record is sent to and that a lookup visits; the default is 20, which costs processor time.
        kBucketSize: 12,
        alpha: 4,
        disjointPaths: 3,
        initialQuerySelfInterval: 500,
        querySelfInterval: 5 * 60_000,
        datastorePrefix: DHT_PREFIX,
        validators: { pk: refuseRecord },
        // Records are lost when the peers that hold them restart: announce long before they expire after 48 hours.
        reprovide: { interval: HOUR_MS / 2, threshold: 48 * HOUR_MS - HOUR_MS / 4 },
      }),
      autonat: autoNAT({ maxInboundStreams: 2 }),
      ...(server
        ? { relay: circuitRelayServer({ reservations: RELAY, hopTimeout: 10_000 }) }
        : { pubsub: gossip(options.topics, stats, account), dcutr: dcutr() }),
      ...(relayed && { reservation: (parts: RelayComponents) => new RelayReservation(parts, bootstrapIds) }),
    },
  });
  node.addEventListener('peer:connect', (event) => connected.add(event.detail.toString()));
  const protocols = rememberProtocols(node.peerStore);
  const endReservation = server ? shareReservations(node.services.relay, RELAY.maxReservations) : () => {};
  node.addEventListener('peer:disconnect', (event) => {
    connected.delete(event.detail.toString());
    protocols.forget(event.detail);
    endReservation(event.detail);
  });
  try {
    await node.start();
  } catch (error) {
    await node.stop();
    throw listenError(error, options.listen);
  }
  return node;
}
