import { assert } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { judgeLimits } from '../../protocol/judge/limits.ts';
import { watchLimits } from '../machine/limits.ts';
import { watchSessionLimits } from '../sessions/limits.ts';

/** Bounds of a watcher on a host. */
export const watchNodeLimits = {
  /** Greatest age of the line under the log up to which revocations are known, in seconds, unless the file says so: default and bounds. */
  checkpointAgeSeconds: 600,
  checkpointAgeSecondsMin: 60,
  checkpointAgeSecondsMax: 24 * 3600,
  /** Validity of a request, in seconds. */
  requestSeconds: 24 * 3600,
  /** Events of the journal; beyond them one that holds the state takes their place. A start replays them in about a second. */
  journalEventsMax: 10_000,
} as const;

const own = watchNodeLimits;
assert(
  watchLimits.publishTriesMax * watchLimits.retryMsMax < own.requestSeconds * 1000,
  'what is tried again is still valid',
);
assert(
  watchSessionLimits.learnMs <= own.checkpointAgeSecondsMin * 1000,
  'a line is asked for before it is too old',
);
assert(
  own.checkpointAgeSecondsMin <= own.checkpointAgeSeconds &&
    own.checkpointAgeSeconds <= own.checkpointAgeSecondsMax &&
    own.checkpointAgeSecondsMax <= limits.grantSecondsMax,
  'what is revoked is known before a grant ends',
);
assert(
  watchLimits.deliveriesMax <= own.journalEventsMax,
  'the journal holds the webhooks that are remembered',
);
assert(
  own.journalEventsMax * limits.pathBytesMax <= limits.bundleBytesMax,
  'events of a path each are in memory',
);
assert(own.requestSeconds <= judgeLimits.requestSecondsMax, 'a request is taken');
