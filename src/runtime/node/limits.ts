/** Bounds of what nodes share. */
export const nodeLimits = {
  /** One answer of a web service that is asked, whole. */
  askMsMax: 10_000,
  /** A hundred signed documents. */
  askBytesMax: 2 * 1024 * 1024,
  /** A file that is being written is younger; the clock may be corrected meanwhile. */
  unfinishedMsMin: 2 * 60_000,
} as const;
