import { sandboxLimits } from '../../../sandbox/limits.ts';
import { artifactLimits } from '../../node/artifacts/limits.ts';
import { assert } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { sessionLimits } from '../../protocol/sessions/limits.ts';

/** Bounds of a worker's node. */
export const workerNodeLimits = {
  /** Sources kept for the next build of the same commit: a day's work of a busy project. */
  sourcesKeptMax: 32,
  /** Disk for these. */
  sourcesKeptBytesMax: 512 * 1024 * 1024,
  /** Idle time before a sandbox is started for the next job: what follows a build at once comes first. */
  aheadAfterMs: 250,
  /** A sandbox of git that was started before its commit: as of one for builds. */
  checkoutAheadMsMax: sandboxLimits.aheadSecondsMax * 1000,
  /** Look-up of peers that have a tree which the controllers lack. */
  findPeersMs: 20_000,
  /** Look-up of other workers that have an image, and how many of them are asked beside the controller. */
  findImagePeersMs: 5_000,
  imagePeersMax: 4,
  /** A sweep leaves alone what was used this recently: it may not be pinned yet. */
  imageGraceSeconds: 60,
  /** A build that waits for its image says so in its log this often. */
  imageSayMs: 10_000,
  /** Longest wait for the evidence of one input. */
  evidenceMs: 60_000,
  /** Of a log that waits to be sent to the controller. */
  logQueueBytesMax: 1024 * 1024,
  /** A message carries up to so many bytes of log; a shorter one is sent `logGatherMs` after the message before. */
  logMessageBytes: 64 * 1024,
  logGatherMs: 50,
  /** How long the result of a build waits for its log to be sent. */
  logEndMs: 2_000,
  /** Longest time after the build for which the rest of its log is sent; what is left then is omitted. */
  logRestMs: 60_000,
  /** Builds whose times of lines are kept until their receipts are sent. */
  logTimesKeptMax: 64,
  /** Interval of looks at the operator's hours and at other programs of the host. */
  lookMs: 5_000,
  /** Interval of looks at whether a drain has ended. */
  drainLookMs: 200,
  /** Interval of looks at hosts that have reached a limit of the last hour. */
  hostsLookMs: 60_000,
} as const;

const { sourcesKeptMax, sourcesKeptBytesMax, aheadAfterMs, checkoutAheadMsMax } = workerNodeLimits;
assert(sourcesKeptBytesMax < limits.treeBytesMax, 'a tree of any size is used, not kept');
assert(sourcesKeptMax * 2 ** 24 <= sourcesKeptBytesMax, 'ordinary sources are kept up to their number');
assert(100 * aheadAfterMs < checkoutAheadMsMax, 'a sandbox waits for much longer than it is waited for');
const { findPeersMs, findImagePeersMs, imagePeersMax, imageGraceSeconds, evidenceMs } = workerNodeLimits;
assert(findImagePeersMs < findPeersMs, 'an image is at the controller too: others are looked for less');
assert(findPeersMs < evidenceMs, 'a look-up ends before what is asked of peers');
assert(evidenceMs < limits.gitSecondsMax * 1000, 'evidence is shorter than a source');
assert(imagePeersMax < artifactLimits.peersMax, 'controllers have places among those that are asked');
assert(imageGraceSeconds < artifactLimits.collectSeconds, 'a sweep takes what was there at the one before');
assert(workerNodeLimits.imageSayMs < limits.leastRateMs, 'a log says more often than a server is given up');
const { logQueueBytesMax, logMessageBytes, logGatherMs, logEndMs, logRestMs } = workerNodeLimits;
assert(logMessageBytes <= limits.documentBytesMax, 'the stream of a log takes the longest message');
assert(logMessageBytes <= logQueueBytesMax, 'a message can be gathered');
assert(logQueueBytesMax < limits.logBytesMax, 'a part of the longest log waits in memory');
assert(20 * logGatherMs <= logEndMs, 'the end of a log waits for several messages');
assert(logEndMs < logRestMs, 'a result does not wait for all of its log');
assert(logRestMs < sessionLimits.resultHeldSecondsMin * 1000, 'a log is sent while its result is kept');
assert(
  workerNodeLimits.logTimesKeptMax * 16 * limits.logTimesMax <= limits.logBytesMax,
  'times of logs take less memory than a log',
);
const { lookMs, drainLookMs, hostsLookMs } = workerNodeLimits;
assert(12 * lookMs <= 60_000, 'hours of an operator, which are in minutes, are kept to a part of one');
assert(10 * drainLookMs <= lookMs, 'a worker that is drained ends at once');
assert(60 * hostsLookMs <= 3600_000, 'an hour is looked at by its minutes');
