import { assert } from '../errors.ts';
import { limits } from '../limits.ts';

/** Bounds of the jobs of one commit. */
export const pipelineLimits = {
  /** Jobs after matrices are expanded; one command can publish all of them. */
  instancesMax: 100,
  /** Jobs that stand on each other, from the first to the last: each waits for the one before. */
  depthMax: 16,
  /** Artifacts that one job reads. */
  inputsMax: 64,
  /** All jobs after expansion: texts of commands, environment and image, in bytes. */
  bytesMax: 1024 * 1024,
} as const;

assert(pipelineLimits.instancesMax <= limits.openRequestsMax, 'all jobs of a commit can be open at once');
assert(pipelineLimits.depthMax <= pipelineLimits.instancesMax, 'the longest chain is a part of all jobs');
assert(limits.jobBytesMax <= pipelineLimits.bytesMax, 'the largest job is within the bound of all');
