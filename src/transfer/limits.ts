import { assert } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';
import { messageBounds } from '../protocol/wire/bounds.ts';

/** Bounds of the transfer protocol. */
export const transferLimits = {
  /** Blocks named in one request: the remaining parts of a directory of many files after an interruption. */
  rootsMax: 1024,
  /** Bytes of one answer, so that the remainder can be distributed anew and a slow provider holds little of it. */
  answerBytesMax: 64 * 1024 * 1024,
  /** Silence after which a provider that sends no block, or a receiver that requests none, is given up. */
  idleSecondsMax: 30,
  /** Time after which a slow provider's last part is requested from a fast idle one: enough to measure its rate. */
  slowSeconds: 3,
  /** Links from a tree's root to a block. */
  treeLevelsMax: 600,
} as const;

assert(limits.blockBytesMax <= transferLimits.answerBytesMax, 'an answer holds the largest block');
assert(
  transferLimits.slowSeconds < transferLimits.idleSecondsMax,
  'a slow provider is noticed before a silent one',
);
assert(
  limits.pathDepthMax * 9 + 8 <= transferLimits.treeLevelsMax,
  'a file of eight levels can lie below the deepest directories, each sharded eight levels deep',
);
assert(
  transferLimits.rootsMax * 96 <= messageBounds.car.messages.roots.bytesMax,
  'a request names as many CIDs, in base32',
);
assert(transferLimits.answerBytesMax <= limits.treeBytesMax / 64, 'a large tree is many answers');
assert(
  transferLimits.idleSecondsMax <= limits.gitIdleSecondsMax,
  'a silent peer is given up like a silent server',
);
assert(
  transferLimits.treeLevelsMax <= limits.pathDepthMax * 10,
  'and not much more: a walk has a place for each level',
);
