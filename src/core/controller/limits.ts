import { assert } from '../errors.ts';
import { limits } from '../limits.ts';

/** Bounds of the controller's state machine. */
export const controllerLimits = {
  /** Open requests of one publisher, on all its machines together, so that others can still publish. */
  openJobsPerPublisherMax: 500,
  /** Lifetime of a request. */
  requestSecondsMax: 7 * 24 * 3600,
} as const;

assert(
  controllerLimits.openJobsPerPublisherMax < limits.openJobsMax,
  'one publisher leaves room for another',
);
