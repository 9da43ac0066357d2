import type { Libp2p } from '@libp2p/interface';
import type { Bandwidth } from '../protocol/base/bandwidth.ts';
import type { QuorateError } from '../protocol/base/errors.ts';
import type { Rank } from '../protocol/base/rank.ts';
import type { MeshStats } from './stats.ts';

export interface MeshOptions {
  /** Ed25519 seed, 32 bytes. The PeerId is derived from it. */
  key: Uint8Array;
  /** Multiaddrs to listen on, e.g. `/ip4/127.0.0.1/tcp/0`. Without any the node is reached through a relay only. */
  listen: string[];
  /** Addresses announced to peers instead of those listened on (a public name, a forwarded port). */
  announce?: string[];
  /** Multiaddrs ending in `/p2p/<id>`, dialled with backoff as long as the mesh is open. */
  bootstrap: string[];
  /** Path of the JSON file of remembered peers, which let a node restart without a bootstrap node. */
  peersFile?: string;
  /** Gossip topics this node may subscribe or publish to. Others are ignored. */
  topics: string[];
  maxConnections?: number;
  /** Limit of all connections together, which may change while they are open. Default: no limit. */
  bandwidth?: Bandwidth;
  /**
   * Rank of a peer at this node. Its connections are shared by it: see `roomFor`. Default: peers that are kept are owners, all others
   * guests.
   */
  rankOf?: (peer: string) => Rank;
  /** A bootstrap node also relays for peers behind NAT; it joins no topics. */
  role: 'node' | 'bootstrap';
}

export type { MeshStats };

export type Verdict = 'accept' | 'reject' | 'ignore';
export type Validator = (from: string, data: Uint8Array) => Promise<Verdict>;

export interface ProtocolOptions {
  /** Streams one peer may have open at once on this protocol, over all its connections. */
  maxInboundStreams: number;
  maxMessageBytes: number;
  /** Limit for messages sent, where answers are larger than requests. Default: `maxMessageBytes`. */
  maxSendBytes?: number;
  /** Streams one peer may open per minute. Default: `meshLimits.streamsPerMinute`. */
  perPeerPerMinute?: number;
  /**
   * Turns that each message takes, beside those for its length; its peer waits for them before it is read. Absent where who serves the
   * protocol charges for it (`Mesh.charge`).
   */
  turns?: number;
  /** Bytes of answers that take a turn. Default: `sessionLimits.sentBytesPerTurn`. */
  sentBytesPerTurn?: number;
  /** Streams that guests may have open together. Default: `meshLimits.guestsInAll`. */
  guestStreams?: number;
  /** Messages that answer a refused stream. Default: one, the error as the protocols in JSON write it. */
  refusal?: (error: QuorateError) => readonly Uint8Array[];
}

export interface ReceiveOptions {
  signal?: AbortSignal;
  timeoutMs?: number;
  admit?: (bytes: number) => Promise<void>;
}

/**
 * Length-prefixed messages in both directions with backpressure: while one side does not read, the other can send about
 * one window (`limits.meshWindowBytes`).
 */
export interface Channel {
  readonly peer: string;
  /** The connection that it goes over. */
  readonly link: Link;
  /**
   * Resolves when the whole message is written, that is within the peer's window.
   * @throws MESH_MESSAGE_TOO_LARGE (nothing was sent, the channel stays usable), MESH_TIMEOUT (no progress for
   * `meshLimits.stallMs`), MESH_RESET, MESH_CLOSED
   */
  send(message: Uint8Array): Promise<void>;
  /**
   * The next message; undefined once the peer has closed its half. One call at a time. After MESH_TIMEOUT or an aborted
   * signal the channel is intact and the call may be repeated. Waits `timeoutMs`, by default `meshLimits.waitMs`.
   * `admit` is called with the length of a message before the rest of it is read: what it takes time for the peer waits for,
   * and when it throws nothing more is read from this channel.
   * @throws MESH_TIMEOUT, MESH_RESET, MESH_MESSAGE_TOO_LARGE, MESH_TRUNCATED
   */
  receive(options?: ReceiveOptions): Promise<Uint8Array | undefined>;
  /** Takes turns of the peer for work beside its messages, on a served protocol that has `ProtocolOptions.turns`, and waits for them. */
  charge(turns: number): Promise<void>;
  /** Closes our half once all sends are written; the peer's half can still be read. */
  close(): Promise<void>;
  /** Closes both halves at once. Unsent and unread data is lost and the peer gets MESH_RESET. */
  abort(reason: Error): void;
  /** True once neither half can be used. */
  readonly closed: boolean;
}

export interface OpenOptions {
  signal?: AbortSignal;
  /** Time to open it. Default: `meshLimits.dialMs`. */
  timeoutMs?: number;
  maxMessageBytes: number;
}

/** One open connection to a peer, which leads to one process: several may have the same key. */
export interface Link {
  readonly peer: string;
  /** The network that the peer is in: an IPv4 address or an IPv6 /64 prefix; of a relayed connection that of the relay. */
  readonly network: string;
  readonly rank: Rank;
  /** @throws MESH_UNREACHABLE, MESH_TIMEOUT, MESH_PROTOCOL_UNKNOWN, MESH_PEER_QUOTA */
  open(protocol: string, options: OpenOptions): Promise<Channel>;
}

export interface PeerAddress {
  id: string;
  addrs: string[];
}

/** Whom to dial: one peer, or, where `id` is null, whoever is found at the addresses. */
export type DialTarget = PeerAddress | { id: null; addrs: string[] };

export interface PeerEvent {
  peer: string;
  kind: 'connected' | 'disconnected';
}

export interface Mesh {
  readonly id: string;
  /** Multiaddrs ending in `/p2p/<id>`, relayed ones included. */
  addresses(): string[];
  /** For a second protocol stack (Bitswap) on the same node. */
  readonly libp2p: Libp2p;
  /**
   * Gossips a message to the connected members; having none is no error, since members that connect later pull the backlog.
   * The same bytes again within two minutes are not sent.
   * @throws MESH_MESSAGE_TOO_LARGE, MESH_ARGUMENT_INVALID
   */
  publish(topic: string, data: Uint8Array): Promise<void>;
  /** `from` is the author, whose signature is checked, not the neighbour that forwarded the message. */
  subscribe(topic: string, handler: (from: string, data: Uint8Array) => void): () => void;
  /**
   * Called before a message is delivered or forwarded. A rejection lowers the score of the neighbour that sent it, whose
   * messages are ignored below a threshold. Runs one at a time per neighbour: a slow validator slows the sender.
   */
  setValidator(topic: string, fn: Validator): void;
  /** Serves a protocol. The channel is closed when the handler returns and aborted when it throws. */
  handle(protocol: string, handler: (channel: Channel) => Promise<void>, options: ProtocolOptions): void;
  /**
   * Opens a channel to a process of the peer that speaks the protocol: over its connections, the newest first, or a new one.
   * @throws MESH_UNREACHABLE, MESH_TIMEOUT, MESH_PROTOCOL_UNKNOWN, MESH_PEER_QUOTA, MESH_ADDRESS_INVALID
   */
  open(peer: string | DialTarget, protocol: string, options: OpenOptions): Promise<Channel>;
  /** The open connections to a peer: direct ones before relayed ones, then the newest first. */
  links(peer: string): Link[];
  /** Dials the addresses of one peer. Returns its PeerId. @throws MESH_UNREACHABLE, MESH_TIMEOUT, MESH_ADDRESS_INVALID */
  connect(addrs: string[]): Promise<string>;
  /** PeerIds of connected peers. */
  connected(): string[];
  /** Excludes connections of this peer from pruning until the result is called. */
  keep(peer: string): () => void;
  onPeer(listener: (event: PeerEvent) => void): () => void;
  /**
   * Announces a CID in the DHT, once until `unprovide`; the DHT renews it while the mesh is open. One CID a second is announced, and
   * more only while many wait.
   * @throws MESH_NOT_ANNOUNCED when no peer took the record, MESH_TIMEOUT
   */
  provide(cid: string): Promise<void>;
  /** Stops announcing it. Records at peers stay until they expire. */
  unprovide(cid: string): Promise<void>;
  findProviders(cid: string, options: { signal: AbortSignal; max: number }): AsyncIterable<PeerAddress>;
  /** Addresses of a peer, from the peer store or the DHT. @throws MESH_PEER_UNKNOWN, MESH_TIMEOUT */
  findPeer(id: string, options: { signal: AbortSignal }): Promise<string[]>;
  /** Announces this node as a member of the project and connects to others. Call the result to leave. */
  joinProject(root: string): () => void;
  /** Takes turns from the account of a peer or network; returns the milliseconds until it has turns again. */
  charge(account: string, turns: number): number;
  stats(): Readonly<MeshStats>;
  /** Connections that have a place, the most there may be, those refused since the start, and whether one was of late for want of room. */
  connections(): { open: number; max: number; refused: number; isFull: boolean };
  /** Closes all connections and timers. Resolves within about two seconds. */
  close(): Promise<void>;
}
