import { assert } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { imageLimits } from '../../image/limits.ts';

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

assert(imageCacheLimits.refusedMax <= limits.openRequestsMax, 'each open request may name one');
assert(pullLimits.parallel < imageLimits.layersMax, 'layers are fetched a few at a time');
assert(
  imageLimits.layerBytesMax >= (pullLimits.layerMs / 1000) * 4 * 2 ** 20,
  'the largest layer has its time for 4 MiB a second',
);
assert(pullLimits.smallMs < pullLimits.layerMs, 'a manifest takes less time than a layer');
assert(pullLimits.tokenBytesMax <= imageLimits.manifestBytesMax, 'a token is shorter than a manifest');
