import { assert } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';

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
  /** Where too many connections are open and none may leave, they are looked at again after this time. */
  roomAgainMs: 1_000,
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
  /** Dials to one network that may fail at once, and the time after which one more may: peers may name a third party. */
  failedDialsPerNetwork: 24,
  failedDialAgainMs: 10_000,
  /** Addresses at which the right peer was found, and failures of others, that are remembered. */
  rememberedPlacesMax: 2_000,
  /** Time for the upgrade: encryption and multiplexing. */
  upgradeMs: 10_000,
  /** Streams that a peer opens before the upgrade has ended here: a worker resumes 64 leases at once. One more closes the connection. */
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
  /** Turns of one account, about a millisecond of processor time each: a worker takes five or six for a run, and may build fifteen a second. */
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

const own = meshLimits;
assert(own.connectionsMax < own.bootstrapConnectionsMax, 'a bootstrap node holds more connections');
assert(own.pendingPerNetworkMax < own.pendingInboundMax, 'one network leaves handshakes for others');
assert(
  own.waitingPerNetworkMax / own.inboundPerSecond < own.addressDialMs / 1000,
  'a dial outlasts the line',
);
assert(own.earlyStreamsMax < own.outboundStreamsMax, 'more streams are opened after the upgrade');
assert(own.handshakeMs < own.upgradeMs, 'a handshake that may end for another still may go on');
assert(own.turnsPerSecond <= own.turnsBurst, 'a burst is at least a second of messages');
assert(own.upgradeMs <= own.dialMs, 'a dial includes the upgrade');
assert(own.addressDialMs < own.dialMs, 'a silent address leaves time for another one');
assert(own.dialMs < own.lookupMs, 'a lookup outlasts the dial of a peer that it visits');
assert(own.lookupMs < own.waitMs, 'a wait outlasts a lookup');
assert(own.stallMs < own.waitMs, 'who waits for an answer hears of a stall');
assert(own.quietMs + own.pongMs < own.stallMs, 'a silent peer is found before its streams stall');
assert(own.refusedLingerMs < own.lingerMs, 'a refused stream ends before others');
assert(own.lingerMs <= own.stallMs, 'half a channel is kept no longer than a whole one');
assert(own.refusedPerPeerMax < own.refusedMax, 'one peer leaves answers for others');
assert(own.guestsPerNetwork < own.guestsInAll, 'guests of one network leave streams for others');
assert(own.providersPerPeerMax < own.providersMax, 'one peer leaves room for others');
assert(own.projectPeers >= 6, 'gossip needs six peers');
assert(
  2 * own.reserveShare + own.networkShare < 1 / 2,
  'half of the places are left to members of all networks',
);
assert(own.bootstrapConnectionsMax <= own.peerRecordsMax, 'a record of each connected peer is kept');
assert(own.rankedMs < own.guestMs && own.upgradeMs < own.guestMs, 'a guest has time to ask');
assert(own.guestMs < own.waitMs, 'and leaves while others wait');
assert(
  own.fullMs < own.dialMs && own.fullMax < own.connectionsMax,
  'who is refused hears it before its dial ends',
);
assert(own.inboundPerSecond < own.pendingPerNetworkMax, 'handshakes of a second have places');
assert(own.pendingInboundMax < own.waitingInboundMax, 'more may wait than shake hands');
assert(own.waitingInboundMax < own.bootstrapConnectionsMax, 'and fewer than are connected');
assert(own.failedDialsPerNetwork < own.pendingPerNetworkMax, 'a third party has places for others');
assert(own.failedDialAgainMs <= own.dialMs, 'a dial that failed makes room for another one');
assert(
  own.rememberedMax * own.rememberedAddrsMax < own.peerRecordsMax,
  'their addresses are fewer than records',
);
assert(own.rememberedMax < own.connectionsMax, 'all remembered peers can be connected');
assert(
  own.betweenAnnouncementsMs * own.announcementsWaitingMax < own.waitMs,
  'announcements are within a wait',
);
assert(own.announcedMax <= own.providersMax, 'others keep what a node announces');
assert(own.waitMs < own.protocolMemoryMs && own.protocolMemoryMs <= own.fullToldMs, 'memory outlasts a wait');
assert(own.fullToldMs <= 3_600_000, 'a node that was full for a moment does not say so for an hour');
assert(own.heldFramesMax * 200 < own.heldBytesMax, 'frames of no bytes take less than the bytes');
assert(own.heldBytesMax <= limits.bundleBytesMax, 'no more waits than the largest message has');
assert(own.streamsPerMinute * own.streamTurns < 60 * own.turnsPerSecond, 'a peer can pay for its streams');
assert(own.turnsBurst <= 10 * own.turnsPerSecond, 'a burst is paid for within seconds');
assert(own.owedTurnsMax <= 5 * own.turnsPerSecond, 'and so is a debt');
assert(own.outboundStreamsMax * own.streamTurns <= own.turnsBurst, 'a node can open all its streams at once');
assert(own.guestsInAll < own.connectionsMax, 'guests have a stream each');
assert(own.refusedMax < own.connectionsMax, 'so have those that are refused');
assert(own.gossipBytesPerSecond <= limits.meshWindowBytes, 'a second of gossip is within a window');
assert(own.providersPerCidMax < own.providersPerPeerMax, 'one lookup reads a part of what a peer may say');
assert(own.providersMax <= 5 * own.peerRecordsMax, 'a peer is known by more than what it provides');
assert(
  own.projectPeers < (own.connectionsMax * own.networkShare) / 2,
  'a project has a part of the connections',
);
