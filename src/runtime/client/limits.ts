import { assert } from '../../core/errors.ts';
import { sessionLimits } from '../../core/sessions/limits.ts';

/** Bounds of a member's commands. */
export const clientLimits = {
  /** Time for which a stream is kept open without a use, in ms: many commands of one home share the streams of its key. */
  keptStreamMs: 1_000,
} as const;

assert(
  clientLimits.keptStreamMs <= sessionLimits.keptStreamMs,
  'a command keeps streams no longer than a node',
);
