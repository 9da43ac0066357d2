import { assert } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { wireLimits } from '../../protocol/wire/limits.ts';

/** Bounds of the controller's state machine. */
export const controllerLimits = {
  /** Open requests of one publisher, on all its hosts together, so that others can still publish. */
  openRequestsPerPublisherMax: 500,
  /** Jobs that one request is built as, one after the other: each time what it reads came to other bytes. */
  instancesMax: 8,
  /** Default of `absenceMs`: a worker that restarts or changes its network is back by then. */
  absenceMs: 10_000,
  /** The longest that an owner may set. */
  absenceMsMax: 24 * 3600_000,
  /** Operators per round whose reason not to take a slot is told and kept: a few say what a job lacks. */
  passesToldMax: wireLimits.declinedMax,
  /** Alarms that wait to be looked at: a project that has more of them does not read single ones. */
  alarmsMax: 1_000,
  /** Names of differing files that are told and kept per round; their number is told too. */
  differingFilesToldMax: 20,
  /** Earlier runs of a job that are looked at when it is asked for again: what an event costs does not grow with their number. */
  earlierRunsMax: 16,
  /** Runs that one page of a filtered list looks at; the next page goes on from there. */
  listLooksMax: 2_000,
  /** JSON of the runs that one answer lists: three bytes a character at most, and other members beside it. */
  summariesCharsMax: 2 * 1024 * 1024,
  /** Pushes to which further jobs are added, of those that began last: publishers are done with theirs in a minute. */
  pushesGrowingMax: 1_000,
  /** Branches and tags of which it is remembered that they were built last: a page of them. */
  recentRefsMax: 50,
  /** A repeated claim counts anew where its grant is good for this much longer than that of the first. */
  claimAgainSeconds: 600,
  /** Time until a draft is shown again that the trusted worker could not check; doubled each time. */
  cosignRetryMs: 15_000,
  /** The longest of these. */
  cosignRetryMsMax: 600_000,
  /** A trusted worker that is gone for this long while its signature is waited for makes room for another one that is there. */
  cosignAbsentMsMax: 60_000,
  /** A trusted worker that is connected for this long and has not resumed its lease since the start of the controller builds again: a feed that went silent has ended by then. */
  cosignEndedMs: 120_000,
  /** Runs that a restore lost whose bundles a trusted worker is asked for as it connects. */
  lostRunsAskedMax: 100,
  /** A trusted worker that has not signed for this long makes room too, whatever it says: a log of a million leaves is read and checked in less. */
  cosignAnswerMsMax: 600_000,
  /** For a worker to connect again: it tries after 7.5 s at most, and a connection takes up to 10 s. */
  reconnectMs: 20_000,
  /** Older workers that the reason of a run names which only they could take. */
  olderNamedMax: 5,
  /** A trusted worker that lost the slot of a run waits this long for another one that is there: that one may not be able to build the job. */
  passedOverMs: 600_000,
} as const;

const own = controllerLimits;
assert(4 * own.summariesCharsMax <= limits.receiptBytesMax, 'an answer of the api holds a list of runs');
assert(own.absenceMsMax <= limits.grantSecondsMax * 1000, 'a worker that is absent for longer has no grant');
assert(own.cosignRetryMs < own.cosignRetryMsMax, 'the wait for a draft grows');
assert(
  own.cosignRetryMsMax <= own.cosignAnswerMsMax,
  'a draft is shown again before another worker is asked',
);
assert(own.cosignAbsentMsMax < own.cosignAnswerMsMax, 'who is gone makes room first');
assert(own.cosignAnswerMsMax <= own.passedOverMs, 'the other one has time to sign');
assert(own.passedOverMs < limits.grantSecondsMax * 1000, 'a run gets its signature within a day');
assert(own.claimAgainSeconds < limits.grantSecondsMax, 'a claim with a new grant counts anew');
assert(own.openRequestsPerPublisherMax < limits.openRequestsMax, 'one publisher leaves room for another');
