import { assert } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';

/** Bounds of joining a project, in ms. */
export const membershipLimits = {
  /** One attempt at joining. */
  joinMsMax: 30_000,
} as const;

assert(
  membershipLimits.joinMsMax < limits.clockSkewSeconds * 1000,
  'a request signed at the beginning is recent at the end',
);
