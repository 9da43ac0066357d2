import { sandboxLimits } from '../../../sandbox/limits.ts';
import { assert } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';

/** Bounds of a worker's node. */
export const workerNodeLimits = {
  /** Sources kept for the next build of the same commit: a day's work of a busy project. */
  sourcesKeptMax: 32,
  /** Disk for these. */
  sourcesKeptBytesMax: 512 * 1024 * 1024,
  /** Idle time before a sandbox is started for the next job: what follows a build at once comes first. */
  aheadAfterMs: 250,
  /** A sandbox of git that was started before its commit: as of one for builds. */
  checkoutAheadMsMax: sandboxLimits.aheadSecondsMax * 1000,
} as const;

assert(workerNodeLimits.sourcesKeptBytesMax < limits.treeBytesMax, 'a tree of any size is used, not kept');
assert(
  100 * workerNodeLimits.aheadAfterMs < workerNodeLimits.checkoutAheadMsMax,
  'a sandbox waits for much longer than it is waited for its start',
);
