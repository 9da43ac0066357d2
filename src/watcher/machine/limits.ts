import { assert } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';

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
  /** Open pull requests that are known, and those of one author. */
  pullsMax: 500,
  authorPullsMax: 100,
  /** Pull requests that a part of a list does not hold, and of which the forge is asked one by one in a look. */
  pullsAskedMax: 20,
  /** Webhooks that are remembered, against replays. */
  deliveriesMax: 5_000,
  /** First wait before something is tried again, in milliseconds; it doubles with each try. */
  retryMs: 5_000,
  /** Longest wait before something is tried again. */
  retryMsMax: 10 * 60_000,
  /** Tries of a publication; the last is about nine hours after the first. */
  publishTriesMax: 60,
  /** Tries to tell a forge of a status. */
  statusTriesMax: 60,
  /** Statuses that a forge is told of at the same time, so that it is not flooded. */
  statusesAtOnceMax: 4,
  /** Publications that are prepared at the same time: each checks a commit out. */
  publishingAtOnceMax: 2,
  /** Shortest wait for a timer of the machine, in ms, so that one that cannot be served yet costs nothing. */
  tickMsMin: 1_000,
} as const;

const own = watchLimits;
assert(
  own.authorPublicationsMax < own.pullPublicationsMax &&
    own.pullPublicationsMax < own.publicationsOpenMax &&
    own.authorPullsMax < own.pullsMax,
  'one author leaves room for others, and pull requests for pushes',
);
assert(
  own.publicationsOpenMax <= limits.openRequestsMax &&
    own.publicationsEndedMax <= limits.openRequestsMax &&
    own.pullsMax <= limits.openRequestsMax,
  'a watcher knows no more than may be open at a controller',
);
assert(own.pullsAskedMax < own.authorPullsMax, 'a look asks for a part of them');
assert(own.retryMs <= own.retryMsMax, 'the longest wait is no shorter than the first');
assert(own.statusTriesMax <= own.publishTriesMax, 'a status is tried no longer than its publication');
assert(own.publishingAtOnceMax <= own.statusesAtOnceMax, 'a checkout costs more than a status');
assert(own.statusesAtOnceMax < own.publicationsOpenMax, 'a forge is not flooded');
assert(own.tickMsMin < own.retryMs, 'a timer is no later than what is tried again');
