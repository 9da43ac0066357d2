import { assert } from '../base/errors.ts';
import { limits } from '../base/limits.ts';

/** Bounds of the jobs of one commit. */
export const pipelineLimits = {
  /** Jobs that stand on each other, from the first to the last: each waits for the one before. */
  depthMax: 16,
  /** All jobs after expansion: texts of commands, environment and image, in bytes. */
  bytesMax: 1024 * 1024,
  /** Positions in patterns that are looked at for the conditions of a commit, one a character or more: seconds. Beyond, each path counts as changed. */
  globWorkMax: 20_000_000,
} as const;

assert(pipelineLimits.depthMax <= limits.pipelineJobsMax, 'the longest chain is a part of all jobs');
assert(limits.jobBytesMax <= pipelineLimits.bytesMax, 'the largest job is within the bound of all');
