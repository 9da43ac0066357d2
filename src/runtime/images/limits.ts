/** Bounds of the image cache. */
export const imageCacheLimits = {
  /** Images remembered as unusable, a line each: a publisher could name new ones every day. */
  refusedMax: 1_000,
} as const;
