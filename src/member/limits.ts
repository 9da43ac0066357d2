import { assert } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';
import { sessionLimits } from '../protocol/sessions/limits.ts';

export const clientLimits = {
  /** Time for which a stream is kept open without a use, in ms: many commands of one home share the streams of its key. */
  keptStreamMs: 1_000,
  /** Between two questions to members for revocations, in ms: each opens a mesh of its own. */
  askMembersMs: 60_000,
  /** Longest wait for the next word of a controller that fetches, which says how far it is once a second, in ms. */
  bringMsMax: 60_000,
} as const;

const { askMembersMs, bringMsMax, keptStreamMs } = clientLimits;
assert(askMembersMs < limits.sessionSecondsMax * 1000, 'a member is asked more often than a session lasts');
assert(bringMsMax <= limits.gitIdleSecondsMax * 1000, 'silence is noticed as that of git is');
assert(keptStreamMs <= sessionLimits.keptStreamMs, 'a command keeps streams no longer than a node');
