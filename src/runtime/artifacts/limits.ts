/** Bounds of what a node stores and sends to others. */
export const artifactLimits = {
  /** Interval of sweeps. One walks all that is stored, which for a full store is seconds of work. */
  collectSeconds: 900,
  /** Transfers one peer may have open; each is two messages of memory. */
  transferStreamsPerPeerMax: 8,
} as const;
