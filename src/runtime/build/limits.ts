/** Bounds of the network access of checkouts and builds. */
export const buildLimits = {
  /** Bytes received besides the content itself: lists of references, headers, TLS. */
  egressOverheadBytes: 64 * 1024 * 1024,
} as const;
