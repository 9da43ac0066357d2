import { assert } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { dependencyLimits } from '../../protocol/lock-formats/limits.ts';

/** Bounds of what a node stores and sends to others. */
export const artifactLimits = {
  /** Interval of sweeps. One walks all that is stored, which for a full store is seconds of work. */
  collectSeconds: 900,
  /** Pause between two reads of the whole store that look for damage: disks lose bits over months. */
  scrubSeconds: 7 * 24 * 3600,
  /** How fast that reads: a store of 50 GiB takes a night and a day. */
  scrubBytesPerSecond: 512 * 1024,
  /** After an attempt to fetch trees that are not whole, the first time; then twice that, up to `collectSeconds`. */
  repairAgainSeconds: 30,
  /** One attempt to fetch a tree that is not whole. */
  repairSeconds: 300,
  /** Peers that are asked for it. */
  repairPeersMax: 5,
  /** Opening a stream to one process of a peer. */
  openMs: 10_000,
  /** Streams of guests at once: each may hold a ring of blocks. */
  guestStreamsMax: 48,
  /** Bytes of trees that take a turn (`meshLimits.turnsPerSecond`) of who fetches them: 100 MiB a second, for guests 50. */
  servedBytesPerTurn: 2 ** 20,
  /** A file with the index of dependencies: the largest index, and the framing of its blocks. */
  indexFileBytesMax: 65 * 1024 * 1024,
  /** Looking for what peers of the mesh have, in ms: one that has just started may know nobody yet. */
  findMsMax: 30_000,
  /** One answer of one peer. */
  askMsMax: 15_000,
  /** Peers that are looked for under one key, and asked. */
  peersMax: 8,
  /** Lookups of one key; peers that have nothing trusted yet are asked again in each. */
  lookupsMax: 3,
  /** Until a peer is connected by an address that leads to the peer it names; then another key is looked for there. */
  connectedMs: 2_000,
  /** Between two lookups. */
  againMs: 500,
  /** Attempts to fetch reports, and the time between two: a controller keeps what a failed test put out a moment after its verdict. */
  reportTriesMax: 6,
  reportRetryMs: 1_000,
  /** Blocks to which some link that were sent by HTTP: 10 MB. */
  linksSentMax: 65_536,
} as const;

const own = artifactLimits;
assert(dependencyLimits.indexBytesMax + 2 ** 20 <= own.indexFileBytesMax, 'with 16 KiB for each chunk of it');
assert(own.repairAgainSeconds < own.collectSeconds, 'what is not whole is looked at sooner');
assert(own.repairSeconds < own.collectSeconds, 'a repair ends before the next sweep');
assert(own.collectSeconds < own.scrubSeconds, 'a sweep comes more often than a reading of all');
assert(own.scrubSeconds * 1000 < 2 ** 31, 'a timer takes it');
assert(limits.treeBytesMax >= 4 * 3600 * own.scrubBytesPerSecond, 'a tree is reread in hours');
assert(
  own.repairPeersMax * own.openMs < own.repairSeconds * 1000,
  'silent peers leave time for one that answers',
);
assert(
  own.guestStreamsMax * limits.blockBytesMax <= limits.bundleBytesMax,
  'blocks for guests are in memory',
);
assert(own.servedBytesPerTurn <= limits.blockBytesMax, 'the largest block is a turn at least');
assert(own.indexFileBytesMax <= 2 * dependencyLimits.indexBytesMax, 'its framing is shorter than the index');
assert(own.askMsMax < own.findMsMax, 'a peer that does not answer leaves time for another');
assert(own.linksSentMax <= limits.treeBlocksMax, 'a part of the largest tree is known');
assert(own.findMsMax < own.repairSeconds * 1000, 'a peer is found before its tree is here');
assert(
  own.peersMax * own.openMs < own.repairSeconds * 1000,
  'as many streams are opened one after the other',
);
assert(own.connectedMs < own.askMsMax, 'an address is given up before an answer');
assert(own.lookupsMax * own.againMs < own.askMsMax, 'the waits are shorter than one answer');
assert(
  own.reportTriesMax * own.reportRetryMs < own.findMsMax,
  'reports are waited for no longer than a peer',
);
