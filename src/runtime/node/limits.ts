/** Bounds of what nodes share. */
export const nodeLimits = {
  /** One answer of a web service that is asked, whole. */
  askMsMax: 10_000,
  /** A hundred signed documents. */
  askBytesMax: 2 * 1024 * 1024,
  /** Time that a connection to a web service is kept open without use. Servers close theirs after five seconds. */
  httpIdleMs: 30_000,
  /** A file that is being written is younger; the clock may be corrected meanwhile. */
  unfinishedMsMin: 2 * 60_000,
} as const;
