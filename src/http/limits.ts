import { assert } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';

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
  /** Between two looks at what followers see: a live log, a run, a project. */
  logLookMs: 150,
  runLookMs: 500,
  projectLookMs: 2_000,
  /** Time for which a list is cached, whatever becomes of the wall clock. */
  listMs: 250,
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
  /** Files of an artifact that its page lists; artifacts whose lists are kept, as trees do not change; events of a run that its page has. */
  filesShownMax: 300,
  fileListsMax: 64,
  eventsShownMax: 200,
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

const h = httpLimits;
assert(h.connectionsMax <= 1024 / 2, 'files have half of the descriptors that a process usually may open');
assert(h.connectionsKeptFree < 1 && h.crowdedShare < 1, 'parts of a whole');
assert(h.requestsBurst <= 10 * h.requestsPerSecond, 'who used up a burst waits for seconds');
assert(
  h.fullClients * h.requestsPerSecond * 5 <= 500,
  'at 5 ms each, requests of all addresses take half a core',
);
assert(h.bytesPerRequest <= limits.blockBytesMax, 'a block is charged for');
assert(h.headerBytesMax <= 16 * 1024, 'no more than Node.js takes by default');
assert(h.answerMsMax <= 3_600_000, 'an answer ends within an hour');
assert(h.listsKeptMax * limits.feedBytesMax <= 2 ** 27, 'lists take 128 MiB');
assert(h.bundlesMax * limits.bundleBytesMax <= 2 ** 28, 'bundles that are sent take 256 MiB');
assert(h.followersMax * h.followerBufferBytesMax <= 2 ** 28, 'so does what followers have not read');
assert(
  h.bundlesPerAddressMax < h.bundlesMax &&
    h.treesPerAddressMax < h.treesMax &&
    h.searchesPerAddressMax < h.searchesMax &&
    h.sbomsPerAddressMax < h.sbomsMax,
  'one address leaves slots for others',
);
assert(
  h.searchesMax + h.sbomsMax < h.treesMax && h.treesMax < h.bodiesMax,
  'there are fewer slots for what takes longer',
);
assert(h.checkMsMax < h.idleMs, 'a check is answered before its client counts as gone');
assert(h.slowMsMin <= h.idleMs, 'a slow client is noticed no later than an idle one');
assert(
  h.slowBytesPerSecond < h.requestsPerSecond * h.bytesPerRequest,
  'who takes all that it may is not slow',
);
assert(h.followerGroupsMax < h.followersMax, 'followers are served in groups');
assert(h.logLinesMax * limits.logLineBytesMax <= 2 ** 27, 'a page of a log has 80 MB at most');
assert(
  h.logFoundMax < h.logEventLinesMax && h.logEventLinesMax < h.logLinesMax,
  'events are parts of a page',
);
assert(h.logFoundChars <= h.bytesPerRequest, 'lines found are one answer');
assert(h.logEventChars <= h.followerBufferBytesMax / 4, 'a follower may be some events behind');
assert(h.logHtmlCharsMax <= limits.logBytesMax, 'lines of one log are kept');
assert(h.logHtmlMs < h.answerMsMax, 'they go once their page is read');
assert(
  h.eventsShownMax < h.filesShownMax && h.filesShownMax < limits.outputFilesDefault,
  'a page has a part of a long list',
);
assert(h.fileListsMax * limits.outputFilesMax < 2 ** 21, 'lists of files have two million lines at most');
assert(
  h.logLookMs < h.listMs && h.listMs < h.runLookMs && h.runLookMs < h.projectLookMs,
  'what changes less is looked at less',
);
assert(h.projectLookMs < h.idleMs, 'a window that follows hears something');
assert(
  h.lenderFollowersMax + 6 <= h.lenderConnectionsMax && h.lenderConnectionsMax <= h.connectionsPerAddressMax,
  'a browser has its connections beside those that follow',
);
assert(h.lenderFormBytesMax <= h.headerBytesMax, 'a form has no more than a request line');
