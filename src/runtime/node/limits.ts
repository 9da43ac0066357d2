import { assert } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';

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
} as const;

assert(nodeLimits.askMsMax < nodeLimits.httpIdleMs, 'a connection that is kept outlasts an answer');
assert(
  nodeLimits.httpIdleMs <= limits.leastRateMs,
  'one without use is kept no longer than one that sends nothing',
);
assert(nodeLimits.controlMsMax < nodeLimits.askMsMax, 'a process of this host answers sooner than a service');
assert(nodeLimits.controlAnswerBytesMax <= nodeLimits.askBytesMax, 'and says no more');
assert(16 * nodeLimits.askBytesMax <= limits.bundleBytesMax, 'answers are in memory');
