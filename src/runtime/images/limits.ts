/** Bounds of the image cache. */
export const imageCacheLimits = {
  /** Images remembered as unusable, a line each: a publisher could name new ones every day. */
  refusedMax: 1_000,
} as const;

/** Bounds of pulling an image from a registry. */
export const pullLimits = {
  /** Layers that are fetched at once. */
  parallel: 3,
  /** One layer, with all attempts: 16 GiB at 5 MB/s. */
  layerMs: 60 * 60_000,
  /** A manifest, a configuration, or a token with its answer. */
  smallMs: 2 * 60_000,
  /** Answer of a token server. */
  tokenBytesMax: 256 * 1024,
} as const;
