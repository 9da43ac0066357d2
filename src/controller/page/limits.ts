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
  /** Lists of what artifacts were made from, made at once; each verifies a bundle in a thread. */
  sbomsMax: 2,
  /** Of these, of one address. */
  sbomsPerAddressMax: 1,
  /** Files of an artifact that its page lists; artifacts whose lists are kept, as trees do not change; events of a run that its page has. */
  filesShownMax: 300,
  fileListsMax: 64,
  eventsShownMax: 200,
} as const;

const l = pageLimits;
const h = httpLimits;
assert(
  h.bundlesPerAddressMax < h.bundlesMax &&
    h.treesPerAddressMax < h.treesMax &&
    l.searchesPerAddressMax < l.searchesMax &&
    l.sbomsPerAddressMax < l.sbomsMax,
  'one address leaves slots for others',
);
assert(
  l.searchesMax + l.sbomsMax < h.treesMax && h.treesMax < h.bodiesMax,
  'there are fewer slots for what takes longer',
);
assert(l.logLinesMax * limits.logLineBytesMax <= 2 ** 27, 'a page of a log has 80 MB at most');
assert(
  l.logFoundMax < l.logEventLinesMax && l.logEventLinesMax < l.logLinesMax,
  'events are parts of a page',
);
assert(l.logFoundChars <= h.bytesPerRequest, 'lines found are one answer');
assert(l.logEventChars <= h.followerBufferBytesMax / 4, 'a follower may be some events behind');
assert(l.logHtmlCharsMax <= limits.logBytesMax, 'lines of one log are kept');
assert(l.logHtmlMs < h.answerMsMax, 'they go once their page is read');
assert(
  l.eventsShownMax < l.filesShownMax && l.filesShownMax < limits.outputFilesDefault,
  'a page has a part of a long list',
);
assert(l.fileListsMax * limits.outputFilesMax < 2 ** 21, 'lists of files have two million lines at most');
assert(
  l.logLookMs < h.listMs && h.listMs < l.runLookMs && l.runLookMs < l.projectLookMs,
  'what changes less is looked at less',
);
assert(l.projectLookMs < h.idleMs, 'a window that follows hears something');
