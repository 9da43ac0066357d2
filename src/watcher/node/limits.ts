import { assert } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { judgeLimits } from '../../protocol/judge/limits.ts';
import { watchLimits } from '../machine/limits.ts';
import { watchSessionLimits } from '../sessions/limits.ts';

/** Bounds of a watcher on a host. */
export const watchNodeLimits = {
  /** Events of the journal; beyond them one that holds the state takes their place. A start replays them in about a second. */
  journalEventsMax: 10_000,
  /** A client is opened again after this long, so that its grant is renewed in time, in ms. */
  clientMsMax: 30 * 60_000,
  /** Between the beginnings of two looks at repository and forge, which webhooks ask for, in ms: whoever comments on a forge has it send them. */
  lookMsMin: 5_000,
  /** Shortest wait for a timer of the machine, in ms, so that one that cannot be served yet costs nothing. */
  tickMsMin: 1_000,
  /** Greatest age of the line under the log up to which revocations are known, in seconds, unless the file says so: default and bounds. */
  checkpointAgeSeconds: 600,
  checkpointAgeSecondsMin: 60,
  checkpointAgeSecondsMax: 24 * 3600,
  /** Validity of a request, in seconds. */
  requestSeconds: 24 * 3600,
} as const;

assert(
  watchLimits.publishTriesMax * watchLimits.retryMsMax < watchNodeLimits.requestSeconds * 1000,
  'what is tried again is still valid',
);
assert(watchNodeLimits.clientMsMax < limits.grantSecondsMax * 1000, 'a grant is renewed before it ends');
assert(watchNodeLimits.tickMsMin < watchLimits.retryMs, 'a timer is no later than what is tried again');
assert(
  watchLimits.deliveriesMax <= watchNodeLimits.journalEventsMax,
  'the journal holds the webhooks that are remembered',
);
assert(
  watchNodeLimits.journalEventsMax * limits.pathBytesMax <= limits.bundleBytesMax,
  'events of a path each are in memory',
);
assert(watchNodeLimits.lookMsMin < watchSessionLimits.learnMs, 'webhooks hurry a look');
assert(
  watchSessionLimits.learnMs <= watchNodeLimits.checkpointAgeSecondsMin * 1000,
  'a line is asked for before it is too old',
);
assert(
  watchNodeLimits.checkpointAgeSecondsMin <= watchNodeLimits.checkpointAgeSeconds &&
    watchNodeLimits.checkpointAgeSeconds <= watchNodeLimits.checkpointAgeSecondsMax &&
    watchNodeLimits.checkpointAgeSecondsMax <= limits.grantSecondsMax,
  'what is revoked is known before a grant ends',
);
assert(watchNodeLimits.requestSeconds <= judgeLimits.requestSecondsMax, 'a request is taken');
