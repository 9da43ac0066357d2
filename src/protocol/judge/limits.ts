/** Bounds of what counts. */
export const judgeLimits = {
  /** Lifetime of a request: a publisher that was dismissed is obeyed no longer than that. */
  requestSecondsMax: 7 * 24 * 3600,
  /** Hosts that jobs which were passed on would need, as many as the operator is shown. */
  hostsWantedMax: 64,
} as const;
