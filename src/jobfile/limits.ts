import { assert } from '../core/errors.ts';
import { limits } from '../core/limits.ts';

/** Bounds of a project's job file. */
export const jobFileLimits = {
  /** The whole file. It is written by hand. */
  bytesMax: 256 * 1024,
  /** Jobs of one file; one command can request all of them. */
  jobsMax: 100,
  /** Keys of one matrix. */
  matrixKeysMax: 8,
  /** One value of a matrix, in characters: a flag, a version or the CID of an image. */
  valueCharsMax: 200,
  /** Patterns of one condition. */
  globsMax: 32,
  /** One pattern, in characters. */
  globCharsMax: 200,
} as const;

assert(limits.jobBytesMax <= jobFileLimits.bytesMax, 'a job file holds the largest job');
assert(jobFileLimits.jobsMax <= limits.openRequestsMax, 'all jobs of a file can be open at once');
