import { assert } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';

/** Bounds of the image cache. */
export const imageCacheLimits = {
  /** Disk for images unless the operator sets another: a dozen of some hundred megabytes, packed and unpacked. */
  cacheBytesMax: 10 * 1024 * 1024 * 1024,
  /** Images remembered as unusable, a line each: a publisher could name new ones every day. */
  refusedMax: 1_000,
} as const;

assert(limits.treeBytesMax <= imageCacheLimits.cacheBytesMax, 'the cache holds the largest image');
