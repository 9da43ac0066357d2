import { assert } from '../core/errors.ts';
import { limits } from '../core/limits.ts';

/** Bounds of the HTTP feed. */
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
  /** Pages that are open and kept up to date, each with a connection. */
  followersMax: 240,
  /** Of one address, which may be an office. */
  followersPerAddressMax: 48,
  /** Groups of followers of one channel that have seen different things, served in one turn. */
  followerGroupsMax: 32,
  /** Bytes that a follower has not read, beyond which it is dropped and connects again. */
  followerBufferBytesMax: 1024 * 1024,
  /** Lines on one page of a log. */
  logLinesMax: 10_000,
  /** Lines that a search shows on one page. */
  logFoundMax: 500,
  /** Characters of such lines, after which no further one is on the page. */
  logFoundChars: 256 * 1024,
  /** Lines in one event of a live log. */
  logEventLinesMax: 1_000,
  /** Characters of such an event, beyond which no further block of lines is added to it. */
  logEventChars: 256 * 1024,
  /** Lines of finished logs that are kept as HTML, in characters. */
  logHtmlCharsMax: 16 * 1024 * 1024,
  /** Time for which they are kept while nobody looks at any. */
  logHtmlMs: 30_000,
  /** Searches in logs at once; each reads a file. */
  searchesMax: 2,
  /** Of these, of one address. */
  searchesPerAddressMax: 1,
  /** Lists of what artifacts were made from, made at once; each verifies a bundle in a thread. */
  sbomsMax: 2,
  /** Of these, of one address. */
  sbomsPerAddressMax: 1,
  /** Files of an artifact that its page lists. */
  filesShownMax: 300,
  /** Browser windows that follow one worker: its operator has a few open. */
  lenderFollowersMax: 8,
  /** Time between two looks at a worker that somebody follows. */
  lenderLookMs: 1_000,
  /** Connections to the page of a worker: six of a browser, and one for each window that follows. */
  lenderConnectionsMax: 32,
  /** A form of that page: a dozen short fields. */
  lenderFormBytesMax: 8 * 1024,
} as const;

assert(httpLimits.connectionsPerAddressMax < httpLimits.connectionsMax, 'one address leaves room for others');
assert(httpLimits.requestsPerSecond <= httpLimits.requestsBurst, 'a burst is at least a second of requests');
assert(httpLimits.streamWaitMsMax < httpLimits.idleMs, 'a stream that waits is not idle');
assert(httpLimits.lenderLookMs < httpLimits.idleMs, 'a window that follows is not idle');
assert(httpLimits.idleMs < httpLimits.answerMsMax, 'an idle client is noticed before the answer is over');
assert(
  limits.bundleBytesMax / httpLimits.slowBytesPerSecond <= httpLimits.answerMsMax / 1000,
  'the largest bundle can be sent at half a megabit per second',
);
assert(
  2 * httpLimits.followersMax < httpLimits.connectionsMax,
  'open pages leave half of the connections to those who ask',
);
assert(
  httpLimits.followersPerAddressMax < httpLimits.connectionsPerAddressMax,
  'open pages of one address leave it connections to ask',
);
