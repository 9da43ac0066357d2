import { assert } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';
import { messageBounds } from '../protocol/wire/bounds.ts';

export const transferLimits = {
  /** Blocks named in one request: the remaining parts of a directory of many files after an interruption. */
  rootsMax: 1024,
  /** Bytes of one answer, so that the remainder can be distributed anew and a slow provider holds little of it. */
  answerBytesMax: 64 * 1024 * 1024,
  /** Silence after which a provider that sends no block, or a receiver that requests none, is given up. */
  idleSecondsMax: 30,
  /** Time after which a slow provider's last part is requested from a fast idle one: enough to measure its rate. */
  slowSeconds: 3,
  /** First wait after a failure that may heal, in milliseconds; doubled with each in a row. */
  breakAgainMs: 50,
  /** Links from a tree's root to a block. */
  treeLevelsMax: 600,
} as const;

const own = transferLimits;
assert(limits.blockBytesMax <= own.answerBytesMax, 'an answer holds the largest block');
assert(own.slowSeconds < own.idleSecondsMax, 'a slow provider is noticed before a silent one');
assert(
  limits.pathDepthMax * 9 + 8 <= own.treeLevelsMax,
  'each folder, and a file in the last, has eight levels',
);
assert(own.rootsMax * 96 <= messageBounds.car.messages.roots.bytesMax, 'a request names them in base32');
assert(own.answerBytesMax <= limits.treeBytesMax / 64, 'a large tree is many answers');
assert(own.idleSecondsMax <= limits.gitIdleSecondsMax, 'a silent peer is given up like a silent server');
assert(own.treeLevelsMax <= limits.pathDepthMax * 10, 'and not much more: a walk has a place for each level');
