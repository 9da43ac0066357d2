import { assert } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { documentLimits } from '../documents/limits.ts';
import { judgeLimits } from '../judge/limits.ts';
import { transparencyLimits } from '../transparency/index.ts';
import { messageBounds } from '../wire/bounds.ts';
import { wireLimits } from '../wire/limits.ts';

export const sessionLimits = {
  /** Bundles sent at once over the mesh, small ones not counted. They take about three times this in memory. */
  bundlesSentBytesMax: 128 * 1024 * 1024,
  /** Time a result is kept whatever its size: the controller tries five times to fetch it, a minute each. */
  resultHeldSecondsMin: 600,
  /** Leaves of a log that a trusted worker reads into memory: at 160 bytes each, 160 MB. A run adds about seven. */
  logLeavesMax: 1_000_000,
  /** Age of a line of a trusted worker or a witness up to which an owner goes by the log beneath it, in seconds. */
  ownerLineSecondsMax: 600,
  /** Places asked at once for the charter when no controller answers: the addresses of one, and members. */
  charterSearchMax: 24,
  /** Bytes of a message that take a further turn of its sender at a controller: a receipt of 800 KB takes fifty. */
  receivedBytesPerTurn: 16 * 1024,
  /** The same of answers, which are encoded and not checked. */
  sentBytesPerTurn: 64 * 1024,
  /** Turns that a message takes from a key that is not enrolled, in the place of one. */
  strangerFactor: 2,
  /** Questions to an identity provider of its own that are under way at once. */
  idpQuestionsMax: 8,
  /** Those that wait for their turn: a controller's members ask once in twelve hours, and all at once after it was away. */
  idpWaitingMax: 512,
  /** Time in which a member that is connected answers what it holds of the log, before a controller starts. */
  startAnswerMs: 30_000,
  /** Time for other members to connect, once enough have answered, in ms. */
  startGraceMs: 3_000,
  /** Time for which a question or a stream waits for a controller that has not started, in ms. */
  startWaitMs: 10_000,
  /** Time from a trusted worker's hello until it is asked for what it signed of runs whose leases it has not resumed. */
  signedAskedMs: 20_000,
  /** After a start, time for workers to come back and sign the last checkpoint before it is told what it lacks. */
  lateWitnessMs: 10_000,
  /** Workers that one checkpoint is put before while no verdict waits for witnesses. Each is shown a current one every 15 s in any case. */
  witnessesAsked: 5,
  /** Lines of members under a checkpoint, about thirty-five; the rest of it is for its log and for witnesses from outside. */
  memberLinesCharsMax: 5888,
  /** Trees that a store fetches at once for controllers; each takes a few streams and blocks in memory. */
  pinsAtOnce: 16,
  /** The line of a witness of others: a name of 128 characters, key id, time and signature in base64. */
  namedLineCharsMax: 240,
  /** A worker that is no mirror of an artifact fetches its bundle after one to two times this, in ms, and once for all verdicts until then. */
  mirrorLaterMs: 60_000,
  /** Streams of one key that follow a run, its logs, or bring dependencies; the others are for questions. */
  followedPerPeerMax: 24,
  /** Streams to one peer for one protocol that are kept open for the next use. */
  keptStreamsMax: 16,
  /** Time for which a stream is kept open without a use, in ms. */
  keptStreamMs: 20_000,
  /** Time for which a server waits for the next conversation on a stream, in ms. */
  nextConversationMs: 60_000,
  /** Requests, and bytes of bundles, after which a stream carries no further one: with streams a minute they bound what a peer asks. */
  bundlesPerStreamMax: 8,
  bundleBytesPerStream: 256 * 1024,
  /** Events that a machine handles before others get the event loop: at a fifth of a millisecond each about as long as a sync. */
  eventsAtOnceMax: 64,
  /** Time between two requests for a bundle that a worker makes because it was asked for it, in ms. */
  askedAgainMs: 2_000,
  /** Between two bundles that were lost and are made again, in ms: each takes about as long of a core. */
  betweenLostBundlesMs: 20,
  /** Revocations by one key that this version cannot read, which are kept for the next one: one is enough to refuse the project. */
  unreadRevocationsMax: 8,
  /** Revocations and charters in one message, in characters: a thousand at 3 kB each are less. */
  revocationPageCharsMax: 4 * 1024 * 1024,
} as const;

/** Times of the sessions, in ms unless the name says seconds. */
export const sessionTimes = {
  /** Opening a stream: search for the peer, dial, upgrade. */
  openMs: 10_000,
  /** Wait of a server for the question on a new stream, and of a client for the answer. */
  questionMs: 10_000,
  answerMs: 20_000,
  /** Opening an api stream to a controller, which may be full for a moment. */
  apiOpenMs: 20_000,
  /** Lifetime of a request to enrol. */
  enrolSeconds: 300,
  /** Search for a charter: opening a stream to one address, and again its answer. */
  searchMs: 4_000,
  /** Search for a charter: finding members to ask. */
  findMs: 3_000,
  /** Question of a controller to its identity provider: opening, answer, and all of it since the member asked. */
  grantOpenMs: 4_000,
  grantAnswerMs: 6_000,
  grantMs: 15_000,
  /** Time for which grants are refused unasked after the identity provider was not reached. */
  idpRestMs: 1_000,
  /** Charters that the owner signs on the host of the identity provider are in force within this. */
  charterExchangeMs: 5_000,
  /** Interval of heartbeats of a lease, and of a claim that waits for a slot; heartbeats closer together than the second are ignored. */
  heartbeatMs: 5_000,
  heartbeatMsMin: 1_000,
  /** Interval of heartbeats of a trusted worker on its cosign stream. */
  cosignHeartbeatMs: 30_000,
  /** Silence on a cosign stream after which its worker counts as gone. */
  silenceMs: 120_000,
  /** The longest life of a request, and a day: a controller that has nothing to say, and a build, may be silent for as long. */
  requestMs: (judgeLimits.requestSecondsMax + limits.grantSecondsMax) * 1000,
  /** Between two questions of a worker for the backlog. */
  pollMs: 15_000,
  /** Offers that are told again within this go in one message: the windows of all jobs of a commit close together. */
  toldTogetherMs: 100,
  /** Until a worker's first question for the backlog: gossip does not reach it before its connections are made. */
  firstPollMs: 2_000,
  /** Silence on a feed after which its worker is absent. */
  feedSilenceMs: 90_000,
  /** Between two attempts to reach the controller; doubled each time. */
  feedRetryMsMin: 250,
  feedRetryMsMax: 5_000,
  /** A controller that asks its members before it starts is tried again after this. */
  askingRetryMs: 500,
  /** Longest interval between requests to an HTTP feed that fails. */
  httpEveryMsMax: 5 * 60_000,
  /** Fetch of a tree by a store: interval of its reports, silence after which it is given up, limit of one attempt. The next attempt continues it. */
  pinningMs: 5_000,
  pinSilenceMs: 20_000,
  pinAttemptMs: 60_000,
  /** Longest round of signatures under a checkpoint. */
  roundMsMax: 5_000,
  /** Between the beginnings of two rounds, and between two reports of lines that come late. */
  roundMsMin: 1_000,
  /** Interval of rounds while a verdict waits for its witnesses. */
  urgentRoundMs: 50,
  /** Interval of rounds of one checkpoint, for readers that ask for recent signatures. */
  renewMs: 60_000,
  /** Time until a witness from outside that failed is asked again; doubled each time. */
  witnessRetryMs: 2_000,
  witnessRetryMsMax: 5 * 60_000,
  /** Between two checkpoints that are gossiped: present workers are shown them anyway. */
  checkpointMs: 5_000,
  /** A gossiped checkpoint is skipped where another was compared within this time. */
  comparedMs: 10_000,
  /** A receipt is in the log when its ack is sent, and under a checkpoint a few seconds later. */
  promiseMs: 10 * 60_000,
  /** Time, and number of attempts, after which a member whose log could not be compared is reported. */
  uncomparedMs: 10 * 60_000,
  uncomparedTriesMin: 3,
  /** Between two looks at neighbours. */
  neighboursMs: 30_000,
  /** Interval of looks at the time of a renewal: timers stand still while the host sleeps. */
  renewalLookMs: 60_000,
  /** Between two attempts to renew that fail; doubled each time. */
  renewalRetryMsMin: 1_000,
  renewalRetryMsMax: 60_000,
  /** Between two renewals that a refusal asked for. */
  renewalRefreshMs: 5_000,
  /** A worker whose key or operator was revoked asks this often whether that is still so. */
  expelledMs: 10 * 60_000,
  /** Between two attempts to reach the controller with signatures of answers; doubled each time. */
  cosignRetryMsMin: 500,
  cosignRetryMsMax: 15_000,
  /** Between two attempts to read the log: a second more after each, up to the longest. */
  draftRetryMs: 1_000,
  draftRetryMsMax: 15_000,
  /** Longest time from a receipt to the first message of its log, and how long a reader waits for it. */
  logLateMs: 60_000,
  logLaterMs: 1_000,
  /** End of a controller: telling workers the charter, and storing bundles. */
  tellMs: 3_000,
  storeMs: 5_000,
  /** Interval at which a peer that waits for its turn counts as present. */
  turnWaitMs: 5_000,
  /** Time for which a wall clock differs until it counts as wrong. */
  disturbanceMs: 10_000,
  /** Wait after an agreed verdict before its bundle is fetched: its co-signature mostly follows within it. */
  agreedMs: 1_000,
} as const;

const { memberLinesCharsMax, namedLineCharsMax } = sessionLimits;
/** Text of a checkpoint and the line of its log: the id of a project twice, a size, a hash, a signature. */
const checkpointOwnCharsMax = 320;
assert(
  checkpointOwnCharsMax + memberLinesCharsMax + documentLimits.charterWitnessesMax * namedLineCharsMax <=
    transparencyLimits.checkpointCharsMax,
  'a checkpoint full of members has room for its log and for all witnesses that a charter names',
);
assert(
  2 * sessionLimits.keptStreamMs < sessionLimits.nextConversationMs,
  'who opened a stream ends it, before the other side does',
);
assert(
  sessionLimits.followedPerPeerMax + 8 <= messageBounds.api.streams,
  'who follows runs can still ask questions',
);
assert(limits.bundleBytesMax <= sessionLimits.bundlesSentBytesMax, 'the largest bundle can be sent');
assert(3 * sessionLimits.bundlesSentBytesMax <= 512 * 1024 * 1024, 'and a small machine sends them');
assert(160 * sessionLimits.logLeavesMax <= 256 * 1024 * 1024, 'and reads a log');
assert(
  sessionLimits.idpWaitingMax * limits.documentBytesMax <= 128 * 1024 * 1024,
  'and holds requests for grants that wait',
);
assert(sessionLimits.bundleBytesPerStream < limits.bundleBytesMax, 'a large bundle has a stream of its own');
assert(
  100 * sessionLimits.receivedBytesPerTurn <= limits.receiptBytesMax &&
    100 * sessionLimits.sentBytesPerTurn <= limits.receiptBytesMax,
  'a large message takes many turns',
);
assert(
  sessionLimits.idpQuestionsMax <= messageBounds.idp.streams,
  'an identity provider lets as many be open',
);
assert(sessionLimits.eventsAtOnceMax / 5 < 50, 'others get the event loop within 50 ms');
assert(
  sessionLimits.unreadRevocationsMax * wireLimits.fullKeysMax <= limits.revocationsMax,
  'revocations that cannot be read leave room for the others in a page',
);

assert(
  sessionLimits.revocationPageCharsMax +
    limits.documentBytesMax +
    limits.equivocationsMax * limits.equivocationCharsMax <
    limits.receiptBytesMax,
  'a page of revocations is one message, with all evidence',
);

const times = sessionTimes;
const grantMsMax = limits.grantSecondsMax * 1000;
/** Whether each is greater than the one before. */
export const isRising = (...values: readonly number[]): boolean =>
  values.every((ms, n) => n === 0 || (values[n - 1] ?? 0) < ms);
assert(times.openMs <= times.answerMs && times.questionMs <= times.answerMs, 'an answer takes longest');
assert(
  times.apiOpenMs + times.answerMs < times.enrolSeconds * 1000,
  'a request to enrol outlasts its question',
);
assert(times.enrolSeconds < limits.grantSecondsMax, 'a grant outlasts the request for it');
assert(times.findMs + 2 * times.searchMs <= times.answerMs, 'a search takes no longer than a question');
assert(times.grantOpenMs + times.grantAnswerMs <= times.grantMs, 'the identity provider can be asked');
assert(times.grantMs < times.answerMs, 'a member hears of it');
assert(times.idpRestMs < times.grantMs, 'an identity provider that is back is asked by the same member');
assert(times.charterExchangeMs < times.grantMs, 'a new charter is told before a grant under it is given up');
assert(times.heartbeatMsMin < times.heartbeatMs, 'a heartbeat on time counts');
assert(4 * times.cosignHeartbeatMs <= times.silenceMs, 'several heartbeats may be late');
assert(isRising(times.firstPollMs, times.pollMs, times.feedSilenceMs / 4), 'several questions may be late');
assert(times.feedSilenceMs < times.silenceMs, 'a worker that is gone is absent before its streams end');
assert(
  isRising(times.feedRetryMsMin, times.askingRetryMs, times.feedRetryMsMax, times.pollMs),
  'a worker that comes back is there before its next question',
);
assert(times.httpEveryMsMax < grantMsMax, 'a worker without a stream hears of its grant');
assert(isRising(3 * times.pinningMs, times.pinSilenceMs, times.pinAttemptMs), 'a store may be late twice');
assert(
  5 * times.pinAttemptMs <= sessionLimits.resultHeldSecondsMin * 1000,
  'a result is held while stores try to fetch it',
);
assert(sessionLimits.resultHeldSecondsMin < limits.grantSecondsMax, 'a result is let go within a day');
assert(
  isRising(
    times.urgentRoundMs,
    times.roundMsMin,
    times.roundMsMax,
    times.renewMs,
    sessionLimits.ownerLineSecondsMax * 1000,
  ),
  'lines are of now while rounds go on',
);
assert(
  isRising(times.witnessRetryMs, times.witnessRetryMsMax, sessionLimits.ownerLineSecondsMax * 1000),
  'a witness that is back signs before its last line is old',
);
assert(
  sessionLimits.ownerLineSecondsMax < limits.grantSecondsMax,
  'no line counts longer than the grant of its key',
);
assert(
  isRising(times.checkpointMs, times.comparedMs, times.promiseMs, grantMsMax),
  'a broken promise is noticed within the life of a grant',
);
assert(
  isRising(times.uncomparedTriesMin * times.neighboursMs, times.uncomparedMs, grantMsMax),
  'a member is asked several times before it is reported',
);
assert(
  isRising(times.renewalRetryMsMin, times.renewalRefreshMs, times.renewalRetryMsMax, grantMsMax / 4),
  'a renewal is tried several times in the life of a grant',
);
assert(4 * times.renewalLookMs < grantMsMax, 'and looked at as often');
assert(isRising(times.expelledMs, grantMsMax), 'revocations are on disk before they are asked for');
assert(times.logLaterMs < times.answerMs, 'who asks for a log is answered');
assert(
  times.tellMs + times.storeMs <= sessionLimits.startWaitMs,
  'questions of meanwhile wait for the next life',
);
assert(
  isRising(sessionLimits.startGraceMs, sessionLimits.startWaitMs, times.answerMs),
  'a question to a controller that starts is answered',
);
assert(sessionLimits.startAnswerMs < times.silenceMs, 'a worker waits for a controller that starts');
assert(
  times.disturbanceMs < limits.clockSkewSeconds * 1000,
  'a wrong clock stops before documents are refused',
);
assert(
  isRising(times.agreedMs, 2 * sessionLimits.mirrorLaterMs, sessionLimits.resultHeldSecondsMin * 1000),
  'all workers fetch a bundle while its results are held',
);
assert(sessionLimits.nextConversationMs < times.silenceMs, 'a stream without use ends first');
assert(sessionLimits.askedAgainMs < times.answerMs, 'a lost bundle is asked for in time');
assert(sessionLimits.keptStreamsMax <= messageBounds.api.streams, 'a peer lets as many be open');
assert(sessionLimits.pinsAtOnce <= messageBounds.pin.streams, 'a controller can ask for as many');
assert(
  sessionLimits.witnessesAsked * wireLimits.witnessLineCharsMax <= memberLinesCharsMax,
  'lines of all who are asked are under a checkpoint',
);
assert(sessionLimits.betweenLostBundlesMs < times.roundMsMin, 'bundles are made faster than checkpoints');
