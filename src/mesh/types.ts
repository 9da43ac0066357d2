import type { Bandwidth } from '../protocol/base/bandwidth.ts';
import type { QuorateError } from '../protocol/base/errors.ts';
import type { Rank } from '../protocol/base/rank.ts';
import type * as sessions from '../protocol/sessions/ports.ts';

export type { DialTarget, PeerAddress } from '../protocol/sessions/ports.ts';
export type { MeshStats } from './stats.ts';

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
  /** Rank of a peer at this node, see `roomFor`. Default: peers that are kept are owners, all others guests. */
  rankOf?: (peer: string) => Rank;
  /** A bootstrap node also relays for peers behind NAT; it joins no topics. */
  role: 'node' | 'bootstrap';
}

export type Verdict = 'accept' | 'reject' | 'ignore';
export type Validator = (from: string, data: Uint8Array) => Promise<Verdict>;

/** `perPeerPerMinute` is `meshLimits.streamsPerMinute` by default. Without `turns` who serves the protocol charges for it (`Mesh.charge`). */
export interface ProtocolOptions extends sessions.ServeOptions {
  /** Bytes of answers that take a turn. Default: `sessionLimits.sentBytesPerTurn`. */
  sentBytesPerTurn?: number;
  /** Streams that guests may have open together. Default: `meshLimits.guestsInAll`. */
  guestStreams?: number;
  /** Messages that answer a refused stream. Default: one, the error as the protocols in JSON write it. */
  refusal?: (error: QuorateError) => readonly Uint8Array[];
}

export interface ReceiveOptions extends sessions.ReceiveOptions {
  signal?: AbortSignal;
}

/** Length-prefixed messages over one stream, with backpressure. */
export interface Channel extends sessions.Channel {
  readonly link: Link;
  receive(options?: ReceiveOptions): Promise<Uint8Array | undefined>;
  /** Takes turns of the peer for work beside its messages, on a served protocol that has `ProtocolOptions.turns`, and waits for them. */
  charge(turns: number): Promise<void>;
}

export interface OpenOptions {
  signal?: AbortSignal;
  /** Time to open it. Default: `meshLimits.dialMs`. */
  timeoutMs?: number;
  maxMessageBytes: number;
}

/** One open connection to a peer, which leads to one process: several may have the same key. */
export interface Link extends sessions.Link {
  /** @throws MESH_UNREACHABLE, MESH_TIMEOUT, MESH_PROTOCOL_UNKNOWN, MESH_PEER_QUOTA */
  open(protocol: string, options: OpenOptions): Promise<Channel>;
}

export interface PeerEvent {
  peer: string;
  kind: 'connected' | 'disconnected';
}
