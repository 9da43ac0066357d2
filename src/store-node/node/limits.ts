import { meshLimits } from '../../mesh/limits.ts';
import { artifactLimits } from '../../node/artifacts/limits.ts';
import { assert } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { judgeLimits } from '../../protocol/judge/limits.ts';

/** Bounds of an artifact store. */
export const storeNodeLimits = {
  /** Verdicts that are remembered, 400 bytes each: those of trees that are not kept go first. */
  entriesMax: 20_000,
  /** Of one tree: whoever has it answered again and again makes the store drop no other tree for the room of its bundles. */
  entriesPerTreeMax: 32,
  /** Verdicts that were heard of and are not proven yet. The oldest goes; the next list names it again. */
  hintsMax: 10_000,
  /** Logs, and the index of dependencies, that are kept beside one tree. */
  besideMax: 64,
  /** Waits between two looks at one verdict that is not proven yet; the last one repeats. */
  lookWaitsMs: [1_000, 2_000, 5_000, 15_000, 60_000, 300_000, 600_000],
  /** Peers that are asked for one bundle or tree. */
  peersMax: 8,
  /** To find those who have a tree. */
  findSecondsMax: 15,
  /** One bundle of one peer. */
  bundleSecondsMax: 30,
  /** One attempt to fetch a tree. What has arrived is kept for the next one. */
  fetchSecondsMax: 1_800,
  /** One log, or one index. */
  besideSecondsMax: 60,
  /** Framing of a log of one chunk, and of the links of a larger one. */
  framingBytes: 64 * 1024,
  /** The plan is made anew at least this often, since trees age, in ms. */
  planMsMax: 60_000,
  /** For so long a tree is held that a controller asked for before there was a verdict. */
  askedSeconds: 24 * 3600,
  /** The same of one whose verdict only others than the root void: the owner has so long to end a stolen key. */
  fallenDays: 7,
  /** Between two sweeps of the disk for the sake of room. */
  sweepSecondsMin: 60,
  /** Open connections: of those who fetch, and of members. */
  connectionsDefault: 500,
} as const;

const own = storeNodeLimits;
assert(own.entriesPerTreeMax < own.entriesMax, 'one tree leaves room for others');
assert(own.entriesMax * 400 <= limits.bundleBytesMax, 'what is remembered is in memory');
assert(own.hintsMax <= own.entriesMax, 'no more is heard of than is remembered');
assert(own.besideMax <= 2 * own.entriesPerTreeMax, 'a verdict has a log or two');
assert(own.findSecondsMax < own.bundleSecondsMax, 'a peer is found before its bundle is here');
assert(own.peersMax * own.bundleSecondsMax < own.fetchSecondsMax, 'bundles take less time than their tree');
assert(own.besideSecondsMax < own.fetchSecondsMax, 'a log takes less time than a tree');
assert(own.fetchSecondsMax < own.askedSeconds, 'a tree that is asked for is held longer than it takes');
assert(
  own.askedSeconds < own.fallenDays * 24 * 3600,
  'a tree with a verdict is held longer than one without',
);
assert(own.sweepSecondsMin < artifactLimits.collectSeconds, 'want of room hurries a sweep');
assert(own.connectionsDefault <= meshLimits.bootstrapConnectionsMax, 'a store has a place for members');
assert(
  own.fallenDays * 24 * 3600 <= judgeLimits.requestSecondsMax,
  'it is held no longer than a request lasts',
);
assert(16 * own.framingBytes <= limits.logBytesMax, 'framing is a small part of a log');
assert(own.planMsMax <= own.sweepSecondsMin * 1000, 'a plan is no older than a sweep');
