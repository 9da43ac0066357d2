import { assert } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { watchLimits } from '../machine/limits.ts';

/** Bounds of the watcher's sessions. */
export const watchSessionLimits = {
  /** Runs that are asked for one by one in a look, when they are too old for the controller's list. */
  runsAskedMax: 20,
  /** Runs whose evidence is fetched and verified in one look, one after the other: a bundle takes up to 64 MiB. */
  proofsAtOnceMax: 8,
  /** Between two looks for revocations, in milliseconds, while something is shown as trusted. */
  learnMs: 60_000,
  /** Of the reason of a revocation that is kept. */
  reasonCharsMax: 300,
  /** A client is opened again after this long, so that its grant is renewed in time, in ms. */
  clientMsMax: 30 * 60_000,
  /** Between the beginnings of two looks at repository and forge, which webhooks ask for, in ms: whoever comments on a forge has it send them. */
  lookMsMin: 5_000,
} as const;

const own = watchSessionLimits;
assert(own.runsAskedMax < watchLimits.publicationsOpenMax, 'and for a part of the runs');
assert(own.proofsAtOnceMax < watchLimits.publicationsEndedMax, 'one look verifies a part of them');
assert(own.reasonCharsMax <= limits.logLineBytesMax, 'a reason is a line');
assert(own.clientMsMax < limits.grantSecondsMax * 1000, 'a grant is renewed before it ends');
assert(own.lookMsMin < own.learnMs, 'webhooks hurry a look');
