import { assert } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';

export const httpLimits = {
  /** Open connections. */
  connectionsMax: 512,
  /** Open connections of one address, which may be an office or a proxy. */
  connectionsPerAddressMax: 64,
  /** Part of the connections that is kept free, as far as there are others on which nothing is answered. */
  connectionsKeptFree: 1 / 16,
  /** Requests of one address: a hundred workers behind it each ask a few times a minute. Dear ones count as several (`prices.ts`). */
  requestsPerSecond: 20,
  /** Requests of one address at once. */
  requestsBurst: 100,
  /** Addresses that may ask as much as one may, before each gets an equal part of that: half a core. */
  fullClients: 5,
  /** Bytes of an answer that count as one further request: 20 MiB/s to one address in the long run. */
  bytesPerRequest: 1024 * 1024,
  /** A stream whose client has used up its part waits so long at most: less than an idle connection is left open. */
  streamWaitMsMax: 2_000,
  /** Request line and headers. A worker needs a few hundred bytes. */
  headerBytesMax: 8 * 1024,
  /** Bodies of requests that come in at a time: of webhooks, which have a mebibyte at most. */
  bodiesMax: 64,
  /** Time for a client to send its request, and to take some bytes of the answer. */
  idleMs: 10_000,
  /** Time for a whole answer. */
  answerMsMax: 20 * 60_000,
  /** Part of the slots of something from which on a client gets one only. */
  crowdedShare: 1 / 2,
  /** Lists that are kept for a moment: the five, and pages of open offers. Each has at most `limits.feedBytesMax`. */
  listsKeptMax: 8,
  /** Bundles sent at once; each is in memory as a whole. */
  bundlesMax: 4,
  /** Of these, of one address. */
  bundlesPerAddressMax: 2,
  /** Time for one check of `/healthz` and `/readyz`. */
  checkMsMax: 2_000,
  /** Trees, files and logs sent at once, each with a few blocks in memory. */
  treesMax: 16,
  /** Of these, of one address. */
  treesPerAddressMax: 8,
  /** An answer that is read more slowly than half a megabit per second gives its slot to another one, after this time. */
  slowBytesPerSecond: 500_000 / 8,
  slowMsMin: 10_000,
  /** Answers compressed at once; a further one is sent as it is. */
  compressionsMax: 32,
  /** Of these, of one address. */
  compressionsPerAddressMax: 8,
  /** A smaller body is sent as it is. */
  compressedBytesMin: 1024,
  /** Pages that are open and kept up to date, each with a connection. */
  followersMax: 240,
  /** Of one address, which may be an office. */
  followersPerAddressMax: 48,
  /** Time for which a list is cached, whatever becomes of the wall clock. */
  listMs: 250,
  /** Groups of followers of one channel that have seen different things, served in one turn. */
  followerGroupsMax: 32,
  /** Bytes that a follower has not read, beyond which it is dropped and connects again. */
  followerBufferBytesMax: 1024 * 1024,
} as const;

const own = httpLimits;
assert(own.connectionsPerAddressMax < own.connectionsMax, 'one address leaves room for others');
assert(own.requestsPerSecond <= own.requestsBurst, 'a burst is at least a second of requests');
assert(own.streamWaitMsMax < own.idleMs, 'a stream that waits is not idle');
assert(own.idleMs < own.answerMsMax, 'an idle client is noticed before the answer is over');
assert(
  limits.bundleBytesMax / own.slowBytesPerSecond <= own.answerMsMax / 1000,
  'the largest bundle can be sent at half a megabit per second',
);
assert(
  2 * own.followersMax < own.connectionsMax,
  'open pages leave half of the connections to those who ask',
);
assert(
  own.followersPerAddressMax < own.connectionsPerAddressMax,
  'open pages of one address leave it connections to ask',
);
assert(own.connectionsMax <= 1024 / 2, 'files have half of the descriptors that a process usually may open');
assert(own.connectionsKeptFree < 1 && own.crowdedShare < 1, 'parts of a whole');
assert(own.requestsBurst <= 10 * own.requestsPerSecond, 'who used up a burst waits for seconds');
assert(
  own.fullClients * own.requestsPerSecond * 5 <= 500,
  'at 5 ms each, requests of all addresses take half a core',
);
assert(own.bytesPerRequest <= limits.blockBytesMax, 'a block is charged for');
assert(own.headerBytesMax <= 16 * 1024, 'no more than Node.js takes by default');
assert(own.answerMsMax <= 3_600_000, 'an answer ends within an hour');
assert(own.listsKeptMax * limits.feedBytesMax <= 2 ** 27, 'lists take 128 MiB');
assert(own.bundlesMax * limits.bundleBytesMax <= 2 ** 28, 'bundles that are sent take 256 MiB');
assert(own.followersMax * own.followerBufferBytesMax <= 2 ** 28, 'so does what followers have not read');
assert(own.compressionsMax * 2 ** 21 <= 2 ** 26, 'at 2 MiB each, compression takes 64 MiB');
assert(own.compressionsPerAddressMax < own.compressionsMax, 'one address leaves some for others');
assert(own.compressedBytesMin < own.bytesPerRequest, 'what costs as much as a request is compressed');
assert(own.checkMsMax < own.idleMs, 'a check is answered before its client counts as gone');
assert(own.slowMsMin <= own.idleMs, 'a slow client is noticed no later than an idle one');
assert(
  own.slowBytesPerSecond < own.requestsPerSecond * own.bytesPerRequest,
  'who takes all that it may is not slow',
);
assert(own.followerGroupsMax < own.followersMax, 'followers are served in groups');
