/** Limits of journals. */
export const journalLimits = {
  /** Tries to copy a journal: its log begins anew after about a thousand pages, 4 MB, were written to it. */
  copiesMax: 100,
  /** Longest pause between two tries, in milliseconds; its length is random, so that a try may begin right after the log did. */
  copyAgainMs: 50,
};
