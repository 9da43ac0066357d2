import { threadLimits } from '../../dependencies/limits.ts';
import { meshLimits } from '../../mesh/limits.ts';
import { artifactLimits } from '../../node/artifacts/limits.ts';
import { nodeLimits } from '../../node/limits.ts';
import { ownerLimits } from '../../owner/limits.ts';
import { assert } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { sessionLimits } from '../../protocol/sessions/limits.ts';

export const controllerNodeLimits = {
  /** Connections of a controller where its owner says nothing: one per member, and some for those who ask. */
  connectionsDefault: 2_000,
  /** Runs on one page of a list. */
  pageRunsMax: 50,
  /** Pushes on one page, and jobs of them all: one push may have as many as a pipeline. */
  pagePushesMax: 20,
  pagePushJobsMax: 150,
  /** Members in one answer on the control socket: 300 bytes each. */
  membersPerAnswer: 1_000,
  /** Workers on the page of a project. */
  pageWorkersMax: 200,
  /** Log files of which it is remembered where lines begin: two numbers for each 500 lines. */
  logIndexesMax: 64,
  /** To look up the addresses of a worker that a store is told of. */
  findPeerMs: 5_000,
  /** For all blocks of one look at whether a store serves what it says it keeps. */
  probeMs: 20_000,
  /** Of these, from the root of the tree on. */
  probeBlocks: 8,
  /** Files that are read of a folder of bundles; each is verified once. */
  pageBundlesMax: 10_000,
  /** Documents of bundles that were lost, on disk until these are made again: at 30 kB each those of 70,000 runs. */
  spoolBytesMax: 2 * 1024 ** 3,
  /** For the journal, while a command reads that of a stopped controller. */
  journalWaitMs: 5_000,
  journalAgainMs: 100,
  /** Interval of looks at what a drain waits for. */
  drainLookMs: 200,
  /** Leases, runs and workers that a status names; their numbers are told too. */
  statusNamedMax: 50,
  /** Interval of looks at the charter in the folder. */
  charterLookMs: 1_000,
  /** A publisher waits this long for an image that is being taken in. */
  imageWaitMs: 5_000,
  /** One attempt to fetch an artifact or a log, and how many there are for what nothing waits for. */
  pullMs: 60_000,
  /** How often it is told how much of an artifact is here that a run waits for. */
  fetchToldMs: 1_000,
  keepTriesMax: 5,
  /** Orders of one moment are kept in one go, and after work that somebody waits for. */
  keepGatherMs: 500,
  /** Logs that are kept for pages and `quorate logs`, and their bytes: the oldest go first. Those of revealed rounds stay in the store. */
  logsKeptMax: 50_000,
  logsKeptBytesMax: 8 * 1024 ** 3,
  /** Of a log file, read at once: for those who follow it, for the ends of its lines, and for lines. */
  logReadBytes: 32 * 1024,
  logIndexedBytes: 256 * 1024,
  logLinesBytes: 64 * 1024,
  /** Of the end of a log, read for how a build failed, and the lines of it that are shown. */
  logFailureBytes: 32 * 1024,
  logFailureLines: 20,
  /** Lines that a search shows before and after each that it finds. */
  logNearLines: 2,
  /** Bytes of blocks with links that are read for the files that a page lists: its first visitor pays for them. Each counts as `listedNodeBytesMin` at least. */
  listedNodeBytesMax: 8 * 1024 * 1024,
  listedNodeBytesMin: 4 * 1024,
  /** Results of tests in one tree of reports: entries that are looked at, files that are read, their bytes, and those of blocks with links. */
  junitEntriesMax: 2_000,
  junitFilesMax: 50,
  junitBytesMax: 8 * 1024 * 1024,
  junitNodeBytesMax: 4 * 1024 * 1024,
  /** Time and memory for reading them, time until a tree that could not be read is read again, trees at once, and trees of which the results are kept. */
  junitSecondsMax: 10,
  junitAgainMs: 60_000,
  junitMemoryMiB: 128,
  junitAtOnceMax: 2,
  junitKeptMax: 64,
  /** For the list of what an artifact was made from, which verifies a bundle: the largest takes some seconds. */
  sbomSecondsMax: 30,
  /** Memory of that. */
  sbomMemoryMiB: 512,
  /** Such lists that are kept, those that could not be made included, and their characters. */
  sbomsKeptMax: 256,
  sbomCharsMax: 32 * 1024 * 1024,
} as const;

const own = controllerNodeLimits;
assert(
  own.connectionsDefault <= meshLimits.bootstrapConnectionsMax,
  'a controller has no more members than bootstrap nodes have places',
);
assert(own.pageRunsMax <= limits.openRequestsMax, 'a page shows a part of what may be open');
assert(own.pagePushesMax <= own.pageRunsMax, 'a page of pushes has as many as one of runs, or fewer');
assert(own.pagePushJobsMax >= limits.pipelineJobsMax, 'a page has room for the largest push');
assert(own.pageWorkersMax <= own.membersPerAnswer, 'a page shows a part of the members');
assert(own.membersPerAnswer * 300 <= nodeLimits.controlAnswerBytesMax, 'an answer holds its members');
assert(
  own.journalWaitMs < ownerLimits.controlWaitMs,
  'a wait for the journal ends before that for an answer',
);
assert(10 * own.journalAgainMs < own.journalWaitMs, 'so is for the journal');
assert(own.drainLookMs < nodeLimits.controlMsMax, 'a drain of nothing ends at once');
assert(own.statusNamedMax <= own.pageRunsMax, 'a status names as many as a page shows');
assert(
  own.charterLookMs < nodeLimits.controlMsMax,
  'a new charter is in force before a question is given up',
);
assert(
  own.imageWaitMs < sessionLimits.startWaitMs,
  'who waits for an image hears sooner than who waits for a start',
);
assert(
  own.keepTriesMax * own.pullMs < sessionLimits.resultHeldSecondsMin * 1000,
  'a worker keeps a result until the last attempt',
);
assert(own.keepGatherMs < own.pullMs, 'an order waits for less than it takes');
assert(
  own.logReadBytes * own.connectionsDefault <= limits.bundleBytesMax,
  'each connection may follow a log',
);
assert(
  own.logIndexesMax * 16 * (limits.logBytesMax / 500) <= limits.bundleBytesMax,
  'the beginnings of lines of the longest logs are in memory',
);
assert(own.pageBundlesMax * 30_000 <= own.spoolBytesMax, 'no more are read for pages than may be made again');
assert(own.logsKeptBytesMax <= limits.treeBytesMax, 'logs take no more room than a tree');
assert(own.logsKeptMax >= 50 * limits.openRequestsMax, 'logs of open runs are not the oldest');
assert(own.logIndexedBytes < limits.logBytesMax, 'a log is read in pieces');
assert(own.logLinesBytes <= own.logIndexedBytes, 'lines of one page are fewer than are indexed at once');
assert(own.logFailureBytes < own.logLinesBytes, 'how a build failed is looked up with one read');
assert(
  100 * own.logFailureLines < own.logFailureBytes,
  'the end of a log holds so many lines of the ordinary length',
);
assert(
  own.sbomsKeptMax * 128 * 1024 <= own.sbomCharsMax,
  'lists of the ordinary length are kept up to their number',
);
assert(own.findPeerMs < own.probeMs, 'a look at a store finds it first');
assert(own.probeMs < artifactLimits.repairSeconds * 1000, 'a few blocks take less than a tree');
assert(own.probeBlocks < limits.pathDepthMax, 'a look goes down a part of the deepest tree');
assert(own.spoolBytesMax < limits.treeBytesMax, 'what was lost takes less room than a tree');
assert(own.sbomCharsMax <= limits.bundleBytesMax, 'kept lists take less than a bundle');
assert(
  1000 * own.junitSecondsMax < own.junitAgainMs,
  'a tree that cannot be read keeps a thread busy for less than half of the time',
);
assert(
  own.junitSecondsMax < own.sbomSecondsMax &&
    own.junitMemoryMiB < own.sbomMemoryMiB &&
    own.sbomSecondsMax < threadLimits.seconds &&
    own.sbomMemoryMiB < threadLimits.memoryMiB,
  'a thread for anybody costs less than one for a member',
);
