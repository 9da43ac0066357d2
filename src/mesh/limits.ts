import { assert } from '../core/errors.ts';

/** Bounds of the mesh. */
export const meshLimits = {
  /** Connections of one node. */
  connectionsMax: 300,
  /** Connections of a bootstrap node, which holds one per member. */
  bootstrapConnectionsMax: 4_000,
  /** New connections that one address may open: an office behind one NAT starts its hosts together. */
  inboundPerSecond: 40,
  /** Inbound connections that are not upgraded yet. */
  pendingInboundMax: 512,
  /** Time for the upgrade: encryption and multiplexing. */
  upgradeMs: 10_000,
  /**
   * Streams that a peer opens before this side has ended the upgrade: a worker that reconnects resumes 64 leases at once, and
   * opens its feed and logs. One more closes the connection.
   */
  earlyStreamsMax: 160,
  /** A dial, including name lookup and upgrade. */
  dialMs: 10_000,
  /** A search in the DHT. */
  lookupMs: 20_000,
  /** Between two announcements of what this node serves, while no more wait than `announcementsWaitingMax`. */
  betweenAnnouncementsMs: 1_000,
  announcementsWaitingMax: 100,
  /** CIDs of which a node remembers that it announced them; the oldest is forgotten, and announced anew if it is asked for again. */
  announcedMax: 10_000,
  /** A wait for the mesh for which the caller sets no limit. */
  waitMs: 120_000,
  /** Time without progress after which the reader of a stream counts as gone. */
  stallMs: 60_000,
  /** Frames that wait for a peer that reads nothing: what its own frames were answered with, some 200 bytes of memory each. */
  heldFramesMax: 20_000,
  /** Encrypted bytes that wait for one connection: a window of each stream that sends, and more. */
  heldBytesMax: 64 * 1024 * 1024,
  /** Time without any data of a peer after which it is asked whether it is there. */
  quietMs: 20_000,
  /** Time for its answer. Generous: a build that uses all processors delays answers. */
  pongMs: 15_000,
  /** Time for which a peer may keep its half of a channel open after ours is closed and while it is not read. */
  lingerMs: 30_000,
  /** The same where a message of the peer was refused unread: time for the answer to reach it. */
  refusedLingerMs: 1_000,
  /** Inbound streams one peer may open per protocol where the protocol sets nothing itself. */
  streamsPerMinute: 240,
  /** Gossip accepted from one peer. Beyond it the peer has to wait. */
  gossipBytesPerSecond: 1024 * 1024,
  /** Refused streams of one peer, and of all, that are open at once for their answer; others are reset without one. */
  refusedPerPeerMax: 32,
  refusedMax: 256,
  /** Time for which a protocol that a connected peer speaks is not written to its record again; far less than the life of a record. */
  protocolMemoryMs: 10 * 60_000,
  /** Provider records stored for others, in all. */
  providersMax: 50_000,
  /** Provider records stored for one peer. */
  providersPerPeerMax: 2_000,
  /** Peer records stored for others. */
  peerRecordsMax: 10_000,
  /** Peers remembered for a restart. */
  rememberedMax: 200,
  /** Addresses remembered of each of these. */
  rememberedAddrsMax: 8,
  /** Peers of one project that a node connects to by itself. */
  projectPeers: 8,
} as const;

assert(
  meshLimits.connectionsMax < meshLimits.bootstrapConnectionsMax,
  'a bootstrap node holds more connections',
);
assert(
  (meshLimits.inboundPerSecond * meshLimits.upgradeMs) / 1000 < meshLimits.pendingInboundMax,
  'silent connections from one address never use up all pending slots',
);
assert(meshLimits.upgradeMs <= meshLimits.dialMs, 'a dial includes the upgrade');
assert(meshLimits.lookupMs < meshLimits.waitMs, 'a wait outlasts a lookup');
assert(meshLimits.providersPerPeerMax < meshLimits.providersMax, 'one peer leaves room for others');
assert(meshLimits.projectPeers >= 6, 'gossip needs six peers');
