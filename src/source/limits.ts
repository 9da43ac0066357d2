/** Bounds of source checkouts. */
export const sourceLimits = {
  /** Bytes fetched for one checkout, and again bytes unpacked. Large projects at depth one are smaller. */
  bytesMax: 2 * 1024 * 1024 * 1024,
  /** Bytes of a list of refs: about 100,000 of them. */
  refsBytesMax: 8 * 1024 * 1024,
} as const;
