/** Bounds of `quorate try`. */
export const trialLimits = {
  /** A person's shell in a sandbox: a working day, whatever the time limit of the job is. */
  shellSecondsMax: 12 * 3600,
} as const;
