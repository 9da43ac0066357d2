import { assert } from '../../protocol/base/errors.ts';
import { sessionTimes } from '../../protocol/sessions/limits.ts';
import { nodeLimits } from '../limits.ts';

/** Bounds of opening and closing a node, in ms. */
export const kernelLimits = {
  /** For all parts to close. Those left are then closed without waiting for them, the journal last. */
  closeMsMax: 30_000,
  /** After a save of revocations that failed. */
  saveAgainMs: 60_000,
} as const;

assert(nodeLimits.controlMsMax < kernelLimits.closeMsMax, 'a request that came before is answered');
assert(
  kernelLimits.saveAgainMs < sessionTimes.expelledMs,
  'revocations are on disk before they are asked for',
);
