import type { Rank } from '../base/rank.ts';
import type {
  MessageKind,
  Messages,
  Receipt,
  Signer,
  Verdict,
  Verified,
  VerifiedStatement,
  Verifier,
} from '../documents/index.ts';

/** Ports of the sessions: libp2p, Node's timers and crypto at runtime; the simulator's network, scheduler and keys. */

export interface ReceiveOptions {
  timeoutMs?: number;
  /** Longest wait in all, where `timeoutMs` is that for the next bytes. A channel that sees whole messages only takes `timeoutMs` for both. */
  wholeMs?: number;
  admit?: (bytes: number) => Promise<void>;
}

/** A duplex of whole messages with one authenticated peer, in order until it ends. */
export interface Channel {
  /** PeerId of the other side, proven by the transport. */
  readonly peer: string;
  /** The connection that it goes over, where that matters. */
  readonly link?: Link;
  /** True once neither half can be used any more. */
  readonly closed: boolean;
  /** Resolves when the message has left; waits while the peer does not read. @throws `MESH_…`. */
  send(message: Uint8Array): Promise<void>;
  /**
   * The next message, one call at a time; undefined once the other side has closed its half. `admit` sees the length before the rest is
   * read, and may wait or throw.
   * @throws {QuorateError} `MESH_TIMEOUT`, which leaves the channel intact; other `MESH_…`; those of `admit`
   */
  receive(options?: ReceiveOptions): Promise<Uint8Array | undefined>;
  /** Ends our half after what was sent. */
  close(): Promise<void>;
  /** Ends both halves at once; the other side gets `MESH_RESET`. */
  abort(reason: Error): void;
  /** Absent where each use has a stream of its own. */
  readonly kept?: KeptStream;
}

/** An open connection to one process of a peer; several processes may have the same key. */
export interface Link {
  readonly peer: string;
  /** The network that the peer is in; of a relayed connection that of the relay. */
  readonly network: string;
  /** Rank of the peer at this node. */
  readonly rank: Rank;
  open(protocol: string, options: { timeoutMs: number; maxMessageBytes: number }): Promise<Channel>;
}

/** A stream that the next conversation with the same peer may use. */
export interface KeptStream {
  /** It carried a conversation before this one: the peer may have ended it since. */
  readonly again: boolean;
  /** In the place of `close`, when nothing of this conversation is still to come from either side. */
  release(): void;
}

export interface PeerAddress {
  id: string;
  addrs: string[];
}

/** Whom to dial: one peer, or, where `id` is null, whoever is found at the addresses. */
export type DialTarget = PeerAddress | { id: null; addrs: string[] };

/** Bounds of a served protocol. `limits.meshStreamsPerMinute` where `perPeerPerMinute` is absent. */
export interface ServeOptions {
  maxInboundStreams: number;
  maxMessageBytes: number;
  /** Of sent messages, where that differs from `maxMessageBytes`. */
  maxSendBytes?: number;
  perPeerPerMinute?: number;
  /** Turns that each message takes where the session does not charge for them itself, see `meteredBounds`. */
  turns?: number;
}

/** A protocol served to peers: one call of `session` per channel; it closes the channel. */
export interface ServedProtocol {
  protocol: string;
  options: ServeOptions;
  session(channel: Channel): Promise<void>;
}

/** Opens a channel to a peer. @throws `MESH_…`. */
export type Dial = (
  peer: DialTarget,
  protocol: string,
  options: {
    timeoutMs: number;
    maxMessageBytes: number;
    /** Not one that was kept. */
    fresh?: boolean;
  },
) => Promise<Channel>;

/** Time and timers. */
export interface Clock {
  /** Wall clock, whole milliseconds since the epoch. Documents are compared with it. */
  now(): number;
  /** Milliseconds since an arbitrary start; never set back. Silences and rates are measured with it. */
  monotonic(): number;
  /** Calls `act` once, `ms` from now; the returned function cancels it. */
  after(ms: number, act: () => void): () => void;
  /** Calls `act` once, when what this turn of the event loop has already received is dealt with. */
  endOfTurn(act: () => void): void;
  /** True once the node is shutting down: nothing new is begun. */
  readonly closing: boolean;
  /** Calls `act` when the node begins to shut down, at once if it has begun; the returned function cancels it. */
  onClosing(act: () => void): () => void;
}

/** Opens signed documents. An implementation may remember texts that it opened before. */
export interface Documents {
  /** As `openMessage`. @throws `DOC_…`. */
  message<K extends MessageKind>(kind: K, compact: string): Promise<Verified<Messages[K]>>;
  /** As `openStatement`. @throws `DOC_…`. */
  receipt(envelope: string): Promise<VerifiedStatement<Receipt>>;
  verdict(envelope: string): Promise<VerifiedStatement<Verdict>>;
  readonly verifier: Verifier;
}

/** Signs as one key, reads what others signed, makes nonces. */
export interface Signing {
  readonly signer: Signer;
  readonly documents: Documents;
  /** 144 random bits in base64url. */
  nonce(): string;
}

/** Tells the operator of this node what happened: a kind for programs, a sentence for people. */
export type Tell = (
  level: 'info' | 'warn',
  kind: string,
  says: string,
  data?: Record<string, unknown>,
) => void;

/** Leaves of the log on disk, one file per project. */
export interface LeafFile {
  /** The complete leaves; a leaf that was written in part is cut off. @throws `HOME_UNREADABLE`. */
  load(): Promise<string[]>;
  /** Appends and syncs. @throws `HOME_UNWRITABLE`. */
  append(leaves: readonly string[]): Promise<void>;
}

/** Whether a gossiped message is handled and passed on; `ignore`: neither, and nobody is blamed for it. */
export type Accepts = (author: string, data: Uint8Array) => boolean | 'ignore' | Promise<boolean | 'ignore'>;

/** Account of what peers send. */
export interface Charging {
  readonly clock: Clock;
  /** Takes turns from the account of a peer, or of a network; returns the milliseconds until its next message may be read. */
  charge(account: string, turns: number): number;
}
