import { nodeLimits } from '../node/limits.ts';
import { assert } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';
import { judgeLimits } from '../protocol/judge/limits.ts';

/** Bounds of a revocation, and of questions to the running controller of a project folder, in ms. */
export const ownerLimits = {
  /** All questions of one revocation. */
  revokeMsMax: 50_000,
  /** Default time for which a controller that is not reached is asked again, and the interval. */
  waitMsDefault: 20_000,
  againMs: 500,
  /** For the answer of a controller that starts or ends, and the pause until it is asked again. */
  controlWaitMs: 20_000,
  controlAgainMs: 200,
  /** How long a drain may wait: as long as a request may last. */
  drainMsMax: judgeLimits.requestSecondsMax * 1000,
} as const;

const { againMs, controlAgainMs, controlWaitMs, revokeMsMax, waitMsDefault } = ownerLimits;
const skewMs = limits.clockSkewSeconds * 1000;
assert(revokeMsMax < skewMs, 'a revocation signed at the beginning is recent at the end');
assert(waitMsDefault < revokeMsMax, 'a controller that comes back has time to answer');
assert(againMs < waitMsDefault, 'it is asked several times');
assert(nodeLimits.controlMsMax < controlWaitMs, 'a missing answer is noticed before the wait is over');
assert(controlWaitMs <= limits.leastRateMs, 'a controller that is silent is waited for like a server');
assert(10 * controlAgainMs < controlWaitMs, 'it is asked many times');
