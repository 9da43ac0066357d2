import { assert } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { judgeLimits } from '../../protocol/judge/limits.ts';

/** Bounds of `quorate watch`. */
export const watchLimits = {
  /** Publications that are not over. A push beyond them is refused: a server that shows endless branches fills nothing. */
  publicationsOpenMax: 200,
  /** Publications that are over and still looked at for revocations and badges. */
  publicationsEndedMax: 200,
  /** Of these, pipelines of pull requests: pushes have the rest. */
  pullPublicationsMax: 100,
  /** Of these, pipelines of one author. Further ones wait until one of theirs is over. */
  authorPublicationsMax: 10,
  /** Events of the journal; beyond them one that holds the state takes their place. A start replays them in about a second. */
  journalEventsMax: 10_000,
  /** Open pull requests that are known, and those of one author. */
  pullsMax: 500,
  authorPullsMax: 100,
  /** Pull requests that a part of a list does not hold, and of which the forge is asked one by one in a look. */
  pullsAskedMax: 20,
  /** Runs that are asked for one by one in a look, when they are too old for the controller's list. */
  runsAskedMax: 20,
  /** A client is opened again after this long, so that its grant is renewed in time, in ms. */
  clientMsMax: 30 * 60_000,
  /** Shortest wait for a timer of the machine, in ms, so that one that cannot be served yet costs nothing. */
  tickMsMin: 1_000,
  /** Between the beginnings of two looks at repository and forge, which webhooks ask for, in ms: whoever comments on a forge has it send them. */
  lookMsMin: 5_000,
  /** Webhooks that are remembered, against replays. */
  deliveriesMax: 5_000,
  /** Runs whose evidence is fetched and verified in one look, one after the other: a bundle takes up to 64 MiB. */
  proofsAtOnceMax: 8,
  /** Between two looks for revocations, in milliseconds, while something is shown as trusted. */
  learnMs: 60_000,
  /** Of the reason of a revocation that is kept. */
  reasonCharsMax: 300,
  /** Greatest age of the line under the log up to which revocations are known, in seconds, unless the file says so: default and bounds. */
  checkpointAgeSeconds: 600,
  checkpointAgeSecondsMin: 60,
  checkpointAgeSecondsMax: 24 * 3600,
  /** First wait before something is tried again, in milliseconds; it doubles with each try. */
  retryMs: 5_000,
  /** Longest wait before something is tried again. */
  retryMsMax: 10 * 60_000,
  /** Tries of a publication; the last is about nine hours after the first. */
  publishTriesMax: 60,
  /** Tries to tell a forge of a status. */
  statusTriesMax: 60,
  /** Validity of a request, in seconds. */
  requestSeconds: 24 * 3600,
  /** Statuses that a forge is told of at the same time, so that it is not flooded. */
  statusesAtOnceMax: 4,
  /** Publications that are prepared at the same time: each checks a commit out. */
  publishingAtOnceMax: 2,
} as const;

assert(
  watchLimits.publishTriesMax * watchLimits.retryMsMax < watchLimits.requestSeconds * 1000,
  'what is tried again is still valid',
);
assert(
  watchLimits.authorPublicationsMax < watchLimits.pullPublicationsMax &&
    watchLimits.pullPublicationsMax < watchLimits.publicationsOpenMax &&
    watchLimits.authorPullsMax < watchLimits.pullsMax,
  'one author leaves room for others, and pull requests for pushes',
);
assert(
  watchLimits.publicationsOpenMax <= limits.openRequestsMax &&
    watchLimits.publicationsEndedMax <= limits.openRequestsMax &&
    watchLimits.pullsMax <= limits.openRequestsMax,
  'a watcher knows no more than may be open at a controller',
);
assert(watchLimits.pullsAskedMax < watchLimits.authorPullsMax, 'a look asks for a part of them');
assert(watchLimits.runsAskedMax < watchLimits.publicationsOpenMax, 'and for a part of the runs');
assert(watchLimits.clientMsMax < limits.grantSecondsMax * 1000, 'a grant is renewed before it ends');
assert(watchLimits.tickMsMin < watchLimits.retryMs, 'a timer is no later than what is tried again');
assert(
  watchLimits.deliveriesMax <= watchLimits.journalEventsMax,
  'the journal holds the webhooks that are remembered',
);
assert(
  watchLimits.journalEventsMax * limits.pathBytesMax <= limits.bundleBytesMax,
  'events of a path each are in memory',
);
assert(watchLimits.lookMsMin < watchLimits.learnMs, 'webhooks hurry a look');
assert(watchLimits.proofsAtOnceMax < watchLimits.publicationsEndedMax, 'one look verifies a part of them');
assert(
  watchLimits.learnMs <= watchLimits.checkpointAgeSecondsMin * 1000,
  'a line is asked for before it is too old',
);
assert(
  watchLimits.checkpointAgeSecondsMin <= watchLimits.checkpointAgeSeconds &&
    watchLimits.checkpointAgeSeconds <= watchLimits.checkpointAgeSecondsMax &&
    watchLimits.checkpointAgeSecondsMax <= limits.grantSecondsMax,
  'what is revoked is known before a grant ends',
);
assert(watchLimits.reasonCharsMax <= limits.logLineBytesMax, 'a reason is a line');
assert(watchLimits.retryMs <= watchLimits.retryMsMax, 'the longest wait is no shorter than the first');
assert(
  watchLimits.statusTriesMax <= watchLimits.publishTriesMax,
  'a status is tried no longer than its publication',
);
assert(watchLimits.requestSeconds <= judgeLimits.requestSecondsMax, 'a request is taken');
assert(
  watchLimits.publishingAtOnceMax <= watchLimits.statusesAtOnceMax,
  'a checkout costs more than a status',
);
assert(watchLimits.statusesAtOnceMax < watchLimits.publicationsOpenMax, 'a forge is not flooded');
