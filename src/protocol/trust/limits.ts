export const trustLimits = {
  /** Operators that odds of a policy are told for: with more, the odds of a draw change no more. */
  oddsOperatorsMax: 100_000,
} as const;
