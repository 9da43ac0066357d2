import { meshLimits } from '../mesh/limits.ts';
import { assert } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';

/** Bounds of what nodes share. */
export const nodeLimits = {
  /** One answer of a web service that is asked, whole. */
  askMsMax: 10_000,
  /** A hundred signed documents. */
  askBytesMax: 2 * 1024 * 1024,
  /** Time that a connection to a web service is kept open without use. Servers close theirs after five seconds. */
  httpIdleMs: 30_000,
  /** For a line on a control socket, of either side. */
  controlMsMax: 5_000,
  /** One answer on a control socket. */
  controlAnswerBytesMax: 1024 * 1024,
  /** A file that is being written is younger; the clock may be corrected meanwhile. */
  unfinishedMsMin: 2 * limits.clockSkewSeconds * 1000,
  /** Between two attempts of what may be tried again, in ms: longer each time, by a random factor. */
  pauseMsMin: 200,
  pauseMsMax: 5_000,
  /** A wait of this length is told. */
  toldMs: 1_000,
  /** For a connection that was lost, in ms: a controller that restarts is back by then. */
  lostMsMax: 30_000,
  /**
   * For a controller that takes no more connections, or while a limit is reached that commands of a home share, in ms: two hundred of them
   * at once are done in a minute, or in several beside other work.
   */
  busyMsMax: 10 * 60_000,
} as const;

const { busyMsMax, lostMsMax, pauseMsMax, pauseMsMin, toldMs } = nodeLimits;
assert(
  pauseMsMin < pauseMsMax && pauseMsMax < lostMsMax,
  'a connection that was lost is tried several times',
);
assert(pauseMsMin < toldMs && toldMs < pauseMsMax, 'a short wait is not told, a long one at once');
assert(lostMsMax < busyMsMax, 'who is busy is there');
assert(
  2 * meshLimits.guestMs < busyMsMax &&
    (10 * meshLimits.waitingPerNetworkMax) / meshLimits.inboundPerSecond < busyMsMax / 1000,
  'a place of a guest gets free, and many a line of connections ends, while it is waited for',
);
assert(busyMsMax < limits.grantSecondsMax * 1000, 'a wait ends before a grant');

assert(nodeLimits.askMsMax < nodeLimits.httpIdleMs, 'a connection that is kept outlasts an answer');
assert(
  nodeLimits.httpIdleMs <= limits.leastRateMs,
  'one without use is kept no longer than one that sends nothing',
);
assert(nodeLimits.controlMsMax < nodeLimits.askMsMax, 'a process of this host answers sooner than a service');
assert(nodeLimits.controlAnswerBytesMax <= nodeLimits.askBytesMax, 'and says no more');
assert(16 * nodeLimits.askBytesMax <= limits.bundleBytesMax, 'answers are in memory');
