import { meshLimits } from '../mesh/limits.ts';
import { assert } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';

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
  /** For a connection that was lost, in ms: a controller that restarts is back by then. That took 33 s on a busy machine, with its replay and its questions to members. */
  lostMsMax: 120_000,
  /** For a controller that takes no more connections, or a limit that commands of a home share, in ms: two hundred at once take minutes. */
  busyMsMax: 10 * 60_000,
} as const;

const [n, m] = [nodeLimits, meshLimits];
assert(n.pauseMsMin < n.pauseMsMax && n.pauseMsMax < n.lostMsMax, 'a lost connection is tried several times');
assert(n.pauseMsMin < n.toldMs && n.toldMs < n.pauseMsMax, 'a short wait is not told, a long one at once');
assert(n.lostMsMax < n.busyMsMax, 'who is busy is there');
assert(2 * m.guestMs < n.busyMsMax, 'a place of a guest gets free while it is waited for');
assert(
  (10 * m.waitingPerNetworkMax) / m.inboundPerSecond < n.busyMsMax / 1000,
  'and lines of connections end',
);
assert(n.busyMsMax < limits.grantSecondsMax * 1000, 'a wait ends before a grant');
assert(n.askMsMax < n.httpIdleMs, 'a connection that is kept outlasts an answer');
assert(n.httpIdleMs <= limits.leastRateMs, 'one without use is kept no longer than one that sends nothing');
assert(n.controlMsMax < n.askMsMax, 'a process of this host answers sooner than a service');
assert(n.controlAnswerBytesMax <= n.askBytesMax, 'and says no more');
assert(16 * n.askBytesMax <= limits.bundleBytesMax, 'answers are in memory');
