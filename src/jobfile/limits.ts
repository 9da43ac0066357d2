import { assert } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';

export const jobFileLimits = {
  /** The whole file. It is written by hand. */
  bytesMax: 256 * 1024,
  /** Lists and mappings within each other. A job file needs eight. */
  nestingMax: 64,
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
  /** Output files of a test that does not say how many it makes: its reports. Seventy such tests are within one bundle. */
  testFilesDefault: 200,
} as const;

const { bytesMax, jobsMax, testFilesDefault } = jobFileLimits;
assert(testFilesDefault < limits.outputFilesMax, 'a test can ask for more files than the default');
assert(limits.jobBytesMax <= bytesMax, 'a job file holds the largest job');
assert(jobsMax <= limits.openRequestsMax, 'all jobs of a file can be open at once');
