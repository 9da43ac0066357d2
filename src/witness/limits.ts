/** Bounds of what witnesses of others answer. */
export const witnessLimits = {
  /** Longest answer: a few signature lines, or a size. */
  answerBytesMax: 4096,
} as const;
