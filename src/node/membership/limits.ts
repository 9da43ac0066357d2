import { assert } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';

/** Bounds of joining a project and of revoking, in ms. */
export const membershipLimits = {
  /** One attempt at joining. */
  joinMsMax: 30_000,
  /** All questions of one revocation. */
  revokeMsMax: 50_000,
  /** Default time for which a controller that is not reached is asked again, and the interval. */
  waitMsDefault: 20_000,
  againMs: 500,
} as const;

const { againMs, joinMsMax, revokeMsMax, waitMsDefault } = membershipLimits;
assert(
  joinMsMax < limits.clockSkewSeconds * 1000 && revokeMsMax < limits.clockSkewSeconds * 1000,
  'what was signed at the beginning is recent at the end',
);
assert(waitMsDefault < revokeMsMax, 'a controller that comes back has time to answer');
assert(againMs < waitMsDefault, 'it is asked several times');
