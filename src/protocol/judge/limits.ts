/** Bounds of what counts. */
export const judgeLimits = {
  /** Lifetime of a request: a publisher that was dismissed is obeyed no longer than that. */
  requestSecondsMax: 7 * 24 * 3600,
} as const;
