/** Bounds of what a node stores and sends to others. */
export const artifactLimits = {
  /** Interval of sweeps. One walks all that is stored, which for a full store is seconds of work. */
  collectSeconds: 900,
} as const;
