import { imageLimits } from '../../image/limits.ts';
import { nodeLimits } from '../../node/limits.ts';
import { assert } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';

export const imageCacheLimits = {
  /** Images remembered as unusable, a line each: a publisher could name new ones every day. */
  refusedMax: 1_000,
  /** While an image is received, space is made each time this many more bytes have arrived. */
  roomStepBytes: 64 * 1024 * 1024,
  /** A file that is being written changes all the time; one that has not for this long is of a process that was killed. */
  unfinishedMsMax: 10 * 60_000,
  /** A program that is searched for a text. */
  toolBytesMax: 64 * 1024 * 1024,
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

const { refusedMax, roomStepBytes, unfinishedMsMax, toolBytesMax } = imageCacheLimits;
assert(refusedMax <= limits.openRequestsMax, 'each open request may name one');
assert(100 * roomStepBytes <= limits.imageCacheBytesDefault, 'an image that comes takes a hundredth more');
assert(unfinishedMsMax > nodeLimits.unfinishedMsMin, 'no younger file is of a dead process');
assert(unfinishedMsMax < pullLimits.layerMs, 'what was left is gone within the hour');
assert(toolBytesMax <= limits.bundleBytesMax, 'a program is in memory while it is searched');
const { parallel, layerMs, smallMs, tokenBytesMax } = pullLimits;
assert(parallel < imageLimits.layersMax, 'layers are fetched a few at a time');
assert(
  imageLimits.layerBytesMax >= (layerMs / 1000) * 4 * 2 ** 20,
  'a layer has its time for 4 MiB a second',
);
assert(smallMs < layerMs, 'a manifest takes less time than a layer');
assert(tokenBytesMax <= imageLimits.manifestBytesMax, 'a token is shorter than a manifest');
