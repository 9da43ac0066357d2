import type { Libp2p } from '@libp2p/interface';
import type { Bandwidth } from '../core/bandwidth.ts';

export interface MeshOptions {
  /** Ed25519 seed, 32 bytes: the node's one key, hence its PeerId. */
  key: Uint8Array;
  /** Multiaddrs to listen on, e.g. `/ip4/127.0.0.1/tcp/0`; none makes a node that only dials (and is relayed to). */
  listen: string[];
  /** Addresses to tell others instead of those listened on (a public name, a forwarded port). */
  announce?: string[];
  /** Multiaddrs ending in `/p2p/<id>`: dialled for ever, with backoff. */
  bootstrap: string[];
  /** JSON file of remembered peers, so that a restart needs no bootstrap node. */
  peersFile?: string;
  /** Gossip topics this node may subscribe or publish to; all others are ignored. */
  topics: string[];
  maxConnections?: number;
  /** Of all connections together; may change while they are open. No bound unless told. */
  bandwidth?: Bandwidth;
  /** A bootstrap node also relays for peers behind NAT; it joins no topics. */
  role: 'node' | 'bootstrap';
}

export type Verdict = 'accept' | 'reject' | 'ignore';
export type Validator = (from: string, data: Uint8Array) => Promise<Verdict>;

export interface ProtocolOptions {
  /** Streams one peer may have open at once on this protocol, over all its connections. */
  maxInboundStreams: number;
  maxMessageBytes: number;
  /** Of what is sent, where that is more than what is taken: an answer is larger than its question. */
  maxSendBytes?: number;
  /** Streams one peer may open per minute; `meshLimits.streamsPerMinute` when not given. */
  perPeerPerMinute?: number;
}

/** Counters since the start; each names a bound that was reached or an input that was refused. */
export interface MeshStats {
  gossipAccepted: number;
  gossipRejected: number;
  gossipIgnored: number;
  /** Gossip streams made to wait because a peer sent more than its share. */
  gossipThrottled: number;
  streamsRefusedByRate: number;
  streamsRefusedByCount: number;
  messagesTooLarge: number;
  handlerFailures: number;
  recordsEvicted: number;
  peersFileFailures: number;
}

/**
 * A duplex of length-prefixed messages with real backpressure: a reader that does not read stops the sender once
 * about one window (`limits.meshWindowBytes`) is in flight.
 */
export interface Channel {
  readonly peer: string;
  /**
   * Resolves when the message has left for the peer, i.e. fits in its window.
   * @throws MESH_MESSAGE_TOO_LARGE (nothing was sent, the channel lives on), MESH_TIMEOUT (no progress for
   * `meshLimits.stallMs`), MESH_RESET, MESH_CLOSED
   */
  send(message: Uint8Array): Promise<void>;
  /**
   * The next message; undefined once the other side has closed its half. One call at a time. After MESH_TIMEOUT or an
   * aborted signal the channel is intact and the call may be repeated. Waits `meshLimits.waitMs` unless told.
   * @throws MESH_TIMEOUT, MESH_RESET, MESH_MESSAGE_TOO_LARGE, MESH_TRUNCATED
   */
  receive(options?: { signal?: AbortSignal; timeoutMs?: number }): Promise<Uint8Array | undefined>;
  /** Ends our half after what was sent; the other half can still be read. */
  close(): Promise<void>;
  /** Ends both halves at once; unsent and unread data is gone and the other side gets MESH_RESET. */
  abort(reason: Error): void;
  /** True once neither half can be used any more. */
  readonly closed: boolean;
}

export interface PeerAddress {
  id: string;
  addrs: string[];
}

export interface PeerEvent {
  peer: string;
  kind: 'connected' | 'disconnected';
}

export interface Mesh {
  readonly id: string;
  /** Full multiaddrs ending in `/p2p/<id>`, relayed ones included. */
  addresses(): string[];
  /** For a second protocol stack (Bitswap) on the same node. */
  readonly libp2p: Libp2p;
  /**
   * Gossips to whoever is there; nobody being there is no error, for late joiners pull the backlog anyway. Repeating
   * the same bytes within two minutes does nothing.
   * @throws MESH_MESSAGE_TOO_LARGE, MESH_TOPIC_UNKNOWN
   */
  publish(topic: string, data: Uint8Array): Promise<void>;
  /** `from` is the author, whose signature was checked, not the neighbour that passed it on. */
  subscribe(topic: string, handler: (from: string, data: Uint8Array) => void): () => void;
  /**
   * Decides before a message is delivered or passed on. A rejection counts against the neighbour that sent it, up to
   * being ignored altogether. Runs one at a time per neighbour: a slow validator slows the sender.
   */
  setValidator(topic: string, fn: Validator): void;
  /** Serves a protocol. The channel is closed when the handler returns and aborted when it throws. */
  handle(protocol: string, handler: (channel: Channel) => Promise<void>, options: ProtocolOptions): void;
  /**
   * @throws MESH_UNREACHABLE, MESH_TIMEOUT, MESH_PROTOCOL_UNKNOWN, MESH_PEER_QUOTA, MESH_ADDRESS_INVALID
   */
  open(
    peer: string | PeerAddress,
    protocol: string,
    options: { signal: AbortSignal; maxMessageBytes: number },
  ): Promise<Channel>;
  /** Dials the addresses of one peer, gives its PeerId. @throws MESH_UNREACHABLE, MESH_TIMEOUT, MESH_ADDRESS_INVALID */
  connect(addrs: string[]): Promise<string>;
  connected(): string[];
  /** Connections of this peer are not given up when there are too many, until the result is called. */
  keep(peer: string): () => void;
  onPeer(listener: (event: PeerEvent) => void): () => void;
  /**
   * Announces a CID in the DHT; repeated by itself while the mesh is open.
   * @throws MESH_NOT_ANNOUNCED when no peer took it, MESH_TIMEOUT
   */
  provide(cid: string): Promise<void>;
  /** Announces it no longer; what others were told holds until it runs out. */
  unprovide(cid: string): Promise<void>;
  findProviders(cid: string, options: { signal: AbortSignal; max: number }): AsyncIterable<PeerAddress>;
  /** Addresses of a peer, from what is known or from the DHT. @throws MESH_PEER_UNKNOWN, MESH_TIMEOUT */
  findPeer(id: string, options: { signal: AbortSignal }): Promise<string[]>;
  /** Announces us under the project's rendezvous and keeps connections to others found there; call the result to leave. */
  joinProject(root: string): () => void;
  stats(): Readonly<MeshStats>;
  /** Gives up all connections and timers; resolves within about two seconds. */
  close(): Promise<void>;
}
