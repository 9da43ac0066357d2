import { documentLimits } from '../documents/limits.ts';
import { assert } from '../errors.ts';
import { limits } from '../limits.ts';
import { transparencyLimits } from '../transparency/index.ts';
import { messageBounds } from '../wire/bounds.ts';

/** Bounds of the sessions. */
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
  /**
   * Requests for bundles that one stream carries, and bytes of bundles after which it carries no further one: what a peer may ask for is
   * bounded by the streams that it may open in a minute.
   */
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

assert(
  sessionLimits.revocationPageCharsMax +
    limits.documentBytesMax +
    limits.equivocationsMax * limits.equivocationCharsMax <
    limits.receiptBytesMax,
  'a page of revocations is one message, with all evidence',
);
