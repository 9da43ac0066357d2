/** Bounds of a lender's settings. */
export const lendingLimits = {
  /** The lowest bandwidth limit of a worker, per second: heartbeats and grants still have to be on time. */
  bandwidthBytesMin: 16 * 1024,
} as const;
