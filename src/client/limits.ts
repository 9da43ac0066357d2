import { assert } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';

/** Bounds of signing in. */
export const loginLimits = {
  /** How long a grant has to last yet for a sign-in to be of use, in seconds. */
  grantSecondsMin: 600,
} as const;

assert(loginLimits.grantSecondsMin < limits.grantSecondsMax, 'a new grant is of use');
