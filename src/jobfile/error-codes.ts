/** Error codes of the job file: what each means and what to do. */
const jobFileErrors = {
  JOBFILE_INVALID:
    'Something in the job file is wrong or missing; the message begins with file, line and column. The keys are in `docs/quorate.schema.json`.',
  JOBFILE_NEWER:
    'The job file names a version; this program knows files without one. Update it, or remove the key.',
  JOBFILE_SYNTAX:
    'The job file is not YAML that is read here; the message begins with file, line and column.',
  JOBFILE_TOO_DEEP:
    'The job file has more lists and mappings within each other than are read; the message begins with file, line and column.',
  JOBFILE_TOO_LARGE: 'The job file is larger than people write. Move long scripts into files and run those.',
  JOBFILE_UNKNOWN_KEY: 'The job file has a key that means nothing; the hint names the nearest one that does.',
} as const;

export type JobFileErrorCode = keyof typeof jobFileErrors;

declare module '../protocol/base/errors.ts' {
  interface ErrorCodes extends Record<JobFileErrorCode, string> {}
}
