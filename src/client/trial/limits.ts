import { assert } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';

/** Bounds of `quorate try`. */
export const trialLimits = {
  /** A person's shell in a sandbox: a working day, whatever the time limit of the job is. */
  shellSecondsMax: 12 * 3600,
} as const;

assert(trialLimits.shellSecondsMax < limits.grantSecondsMax, 'a shell ends before the day does');
