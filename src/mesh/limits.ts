import { assert } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';

/** Bounds of the mesh. */
export const meshLimits = {
  /** Connections of one node. */
  connectionsMax: 300,
  /** Connections of a bootstrap node, which holds one per member. */
  bootstrapConnectionsMax: 4_000,
  /** Part of the connections of a node that is kept free for owners, and as much for guests (`Rank`). */
  reserveShare: 1 / 32,
  /** Part of them that one network, or one key at a controller, may have. */
  networkShare: 1 / 8,
  /** Time that a guest has at a full controller before its place may be given to another: enough to enrol or to ask. */
  guestMs: 30_000,
  /** A full node looks this often whether its peers are still what they were. */
  rankedMs: 5_000,
  /** Time in which the streams of a connection that found no place are answered, and how many such connections there may be. */
  fullMs: 3_000,
  fullMax: 64,
  /** Time after a refusal for which a node says that it is full. */
  fullToldMs: 10 * 60_000,
  /** Handshakes of inbound connections that begin in a second, by network; those that come faster wait. */
  inboundPerSecond: 40,
  /** Handshakes of inbound connections at once, in all and of one network. */
  pendingInboundMax: 512,
  pendingPerNetworkMax: 64,
  /** Time after which a handshake may end for another one, where all are taken: several round trips. */
  handshakeMs: 1_000,
  /** Inbound connections that wait for their handshake, in all and of one network: an office behind one NAT starts its hosts together. */
  waitingInboundMax: 1_024,
  waitingPerNetworkMax: 256,
  /**
   * Dials to one network that may fail at once, and the time after which one more may: peers say where others are, and may name a third
   * party. Addresses at which the right peer was found, or that the operator configured, are not limited: of the former so many, and the
   * failures of as many others, are remembered.
   */
  failedDialsPerNetwork: 24,
  failedDialAgainMs: 10_000,
  rememberedPlacesMax: 2_000,
  /** Time for the upgrade: encryption and multiplexing. */
  upgradeMs: 10_000,
  /**
   * Streams that a peer opens before this side has ended the upgrade: a worker that reconnects resumes 64 leases at once, and
   * opens its feed and logs. One more closes the connection.
   */
  earlyStreamsMax: 160,
  /** A dial, including name lookup and upgrade. */
  dialMs: 10_000,
  /** A dial of one address, where a peer has several. */
  addressDialMs: 7_500,
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
  /** Streams to one peer that a node has open per protocol. */
  outboundStreamsMax: 256,
  /** Inbound streams one peer may open per protocol where the protocol sets nothing itself. */
  streamsPerMinute: 240,
  /**
   * Turns of one account in the long run: a worker takes about five of its controller for a run (claim, receipt, log, proofs; a pass of
   * another offer), a trusted one six, and may build fifteen a second. A turn is about a millisecond of processor time.
   */
  turnsPerSecond: 100,
  /** Turns at once: a controller that restarts hears from all leases of a worker. */
  turnsBurst: 500,
  /** Turns that it takes to open a stream. */
  streamTurns: 0.25,
  /** Turns that an account may owe until its streams are refused: those of five seconds. */
  owedTurnsMax: 500,
  /** Streams that guests of one network may have open on a protocol, and all guests. Keys cost nothing: a limit for each key bounds neither. */
  guestsPerNetwork: 16,
  guestsInAll: 256,
  /** Gossip accepted from one peer, or from all guests of one network of a node that knows its members. Beyond it they have to wait. */
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
  /** Provider records stored for one CID: a lookup reads all of them. */
  providersPerCidMax: 128,
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
  meshLimits.pendingPerNetworkMax < meshLimits.pendingInboundMax,
  'silent connections of one network leave handshakes for others',
);
assert(
  meshLimits.waitingPerNetworkMax / meshLimits.inboundPerSecond < meshLimits.addressDialMs / 1000,
  'whoever waits for a handshake gets it before its dial gives up',
);
assert(
  meshLimits.earlyStreamsMax < meshLimits.outboundStreamsMax,
  'more streams are opened after the upgrade',
);
assert(meshLimits.handshakeMs < meshLimits.upgradeMs, 'a handshake that may end for another still may go on');
assert(meshLimits.turnsPerSecond <= meshLimits.turnsBurst, 'a burst is at least a second of messages');
assert(meshLimits.upgradeMs <= meshLimits.dialMs, 'a dial includes the upgrade');
assert(meshLimits.addressDialMs < meshLimits.dialMs, 'a silent address leaves time for another one');
assert(meshLimits.dialMs < meshLimits.lookupMs, 'a lookup outlasts the dial of a peer that it visits');
assert(meshLimits.lookupMs < meshLimits.waitMs, 'a wait outlasts a lookup');
assert(meshLimits.stallMs < meshLimits.waitMs, 'who waits for an answer hears of a stall');
assert(
  meshLimits.quietMs + meshLimits.pongMs < meshLimits.stallMs,
  'a silent peer is found before its streams stall',
);
assert(meshLimits.refusedLingerMs < meshLimits.lingerMs, 'a refused stream ends before others');
assert(meshLimits.lingerMs <= meshLimits.stallMs, 'half a channel is kept no longer than a whole one');
assert(meshLimits.refusedPerPeerMax < meshLimits.refusedMax, 'one peer leaves answers for others');
assert(
  meshLimits.guestsPerNetwork < meshLimits.guestsInAll,
  'guests of one network leave streams for others',
);
assert(meshLimits.providersPerPeerMax < meshLimits.providersMax, 'one peer leaves room for others');
assert(meshLimits.projectPeers >= 6, 'gossip needs six peers');

const m = meshLimits;
assert(2 * m.reserveShare + m.networkShare < 1 / 2, 'half of the places are left to members of all networks');
assert(m.bootstrapConnectionsMax <= m.peerRecordsMax, 'a record of each connected peer is kept');
assert(
  m.rankedMs < m.guestMs && m.upgradeMs < m.guestMs && m.guestMs < m.waitMs,
  'a guest has time to ask, and leaves while others wait',
);
assert(m.fullMs < m.dialMs && m.fullMax < m.connectionsMax, 'who is refused hears it before its dial ends');
assert(m.inboundPerSecond < m.pendingPerNetworkMax, 'handshakes of a second have places');
assert(
  m.pendingInboundMax < m.waitingInboundMax && m.waitingInboundMax < m.bootstrapConnectionsMax,
  'more may wait than shake hands',
);
assert(
  m.failedDialsPerNetwork < m.pendingPerNetworkMax,
  'failed dials leave a third party places for others',
);
assert(m.failedDialAgainMs <= m.dialMs, 'a dial that failed makes room for another one');
assert(
  m.rememberedMax * m.rememberedAddrsMax < m.peerRecordsMax,
  'addresses of all remembered peers are fewer than records of others',
);
assert(m.rememberedMax < m.connectionsMax, 'all remembered peers can be connected');
assert(
  m.betweenAnnouncementsMs * m.announcementsWaitingMax < m.waitMs,
  'what waits to be announced is within a wait',
);
assert(m.announcedMax <= m.providersMax, 'others keep what a node announces');
assert(
  m.waitMs < m.protocolMemoryMs && m.protocolMemoryMs <= m.fullToldMs,
  'what is remembered outlasts a wait',
);
assert(m.fullToldMs <= 3_600_000, 'a node that was full for a moment does not say so for an hour');
assert(m.heldFramesMax * 200 < m.heldBytesMax, 'frames of no bytes take less than the bytes');
assert(m.heldBytesMax <= limits.bundleBytesMax, 'no more waits than the largest message has');
assert(m.streamsPerMinute * m.streamTurns < 60 * m.turnsPerSecond, 'a peer can pay for its streams');
assert(m.turnsBurst <= 10 * m.turnsPerSecond, 'a burst is paid for within seconds');
assert(m.owedTurnsMax <= 5 * m.turnsPerSecond, 'and so is a debt');
assert(m.outboundStreamsMax * m.streamTurns <= m.turnsBurst, 'a node can open all its streams at once');
assert(m.guestsInAll < m.connectionsMax, 'guests have a stream each');
assert(m.refusedMax < m.connectionsMax, 'so have those that are refused');
assert(m.gossipBytesPerSecond <= limits.meshWindowBytes, 'a second of gossip is within a window');
assert(m.providersPerCidMax < m.providersPerPeerMax, 'one lookup reads a part of what a peer may say');
assert(m.providersMax <= 5 * m.peerRecordsMax, 'a peer is known by more than what it provides');
assert(m.projectPeers < (m.connectionsMax * m.networkShare) / 2, 'a project has a part of the connections');
