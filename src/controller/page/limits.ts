import { httpLimits } from '../../http/limits.ts';
import { assert } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';

export const pageLimits = {
  /** Between two looks at what followers see: a live log, a run, a project. */
  logLookMs: 150,
  runLookMs: 500,
  projectLookMs: 2_000,
  /** Lines on one page of a log. */
  logLinesMax: 10_000,
  /** Lines that a search shows on one page. */
  logFoundMax: 500,
  /** Characters of such lines, after which no further one is on the page. */
  logFoundChars: 256 * 1024,
  /** Lines in one event of a live log. */
  logEventLinesMax: 1_000,
  /** Characters of such an event, beyond which no further block of lines is added to it. */
  logEventChars: 256 * 1024,
  /** Lines of finished logs that are kept as HTML, in characters. */
  logHtmlCharsMax: 16 * 1024 * 1024,
  /** Time for which they are kept while nobody looks at any. */
  logHtmlMs: 30_000,
  /** Searches in logs at once; each reads a file. */
  searchesMax: 2,
  /** Of these, of one address. */
  searchesPerAddressMax: 1,
  /** Failed builds of a run of which the end of the log is read, and different failures that its page shows. */
  failedLogsMax: 12,
  failuresShownMax: 3,
  /** Lists of what artifacts were made from, made at once; each verifies a bundle in a thread. */
  sbomsMax: 2,
  /** Of these, of one address. */
  sbomsPerAddressMax: 1,
  /** Files of an artifact that its page lists; artifacts whose lists are kept, as trees do not change; events of a run that its page has. */
  filesShownMax: 300,
  fileListsMax: 64,
  eventsShownMax: 200,
  /** Branches and tags whose rows are open; the others are below them, folded. */
  branchesShownMax: 12,
  /** Pushes on the page of the project; the list of runs has pages of them. */
  pushesShownMax: 10,
  /** Jobs that a push names: of more it has counts, and the names of those that are bad. */
  jobsNamedMax: 8,
  /** Results that the page of a dispute compares with that of most, files of each that it may look at, and operators that it names as builders of one. */
  differencesShownMax: 3,
  differingFilesMax: 3,
  buildersNamedMax: 5,
  /** Edges of a pipeline that are drawn: of jobs without a matrix there may be thousands. */
  edgesDrawnMax: 400,
} as const;

const own = pageLimits;
assert(
  httpLimits.bundlesPerAddressMax < httpLimits.bundlesMax &&
    httpLimits.treesPerAddressMax < httpLimits.treesMax &&
    own.searchesPerAddressMax < own.searchesMax &&
    own.sbomsPerAddressMax < own.sbomsMax,
  'one address leaves slots for others',
);
assert(
  own.searchesMax + own.sbomsMax < httpLimits.treesMax && httpLimits.treesMax < httpLimits.bodiesMax,
  'there are fewer slots for what takes longer',
);
assert(own.logLinesMax * limits.logLineBytesMax <= 2 ** 27, 'a page of a log has 80 MB at most');
assert(
  own.logFoundMax < own.logEventLinesMax && own.logEventLinesMax < own.logLinesMax,
  'events are parts of a page',
);
assert(own.failuresShownMax < own.failedLogsMax, 'failures of several operators are told together');
assert(own.logFoundChars <= httpLimits.bytesPerRequest, 'lines found are one answer');
assert(own.logEventChars <= httpLimits.followerBufferBytesMax / 4, 'a follower may be some events behind');
assert(own.logHtmlCharsMax <= limits.logBytesMax, 'lines of one log are kept');
assert(own.logHtmlMs < httpLimits.answerMsMax, 'they go once their page is read');
assert(
  own.eventsShownMax < own.filesShownMax && own.filesShownMax < limits.outputFilesDefault,
  'a page has a part of a long list',
);
assert(own.fileListsMax * limits.outputFilesMax < 2 ** 21, 'lists of files have two million lines at most');
assert(
  own.logLookMs < httpLimits.listMs && httpLimits.listMs < own.runLookMs && own.runLookMs < own.projectLookMs,
  'what changes less is looked at less',
);
assert(own.projectLookMs < httpLimits.idleMs, 'a window that follows hears something');
