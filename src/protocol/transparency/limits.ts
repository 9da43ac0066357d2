/** Bounds of the transparency log. */
export const transparencyLimits = {
  /** A checkpoint: three lines and a signature line of 200 characters for each of about forty witnesses. */
  checkpointCharsMax: 8192,
} as const;
