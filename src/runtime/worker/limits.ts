import { assert } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';

/** Bounds of a worker's node. */
export const workerNodeLimits = {
  /** Disk for results unless the operator sets another: the same as for images. */
  resultsKeptBytesMax: 10 * 1024 * 1024 * 1024,
  /** Sources kept for the next build of the same commit: a day's work of a busy project. */
  sourcesKeptMax: 32,
  /** Disk for these. */
  sourcesKeptBytesMax: 512 * 1024 * 1024,
} as const;

assert(limits.treeBytesMax <= workerNodeLimits.resultsKeptBytesMax, 'the largest result can be kept');
