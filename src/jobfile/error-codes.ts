const jobFileErrors = {
  JOBFILE_FOREIGN_UNKNOWN:
    'The file that `quorate init --from` names is of no system that it reads: GitHub, Forgejo, Gitea, Woodpecker, GitLab. Start from the example that `quorate init` writes.',
  JOBFILE_INVALID:
    'Something in the job file is wrong, unknown, missing or too large; the message begins with file, line and column. The keys are in `docs/quorate.schema.json`.',
  JOBFILE_NEWER:
    'The job file names a version; this program knows files without one. Update it, or remove the key.',
} as const;

export type JobFileErrorCode = keyof typeof jobFileErrors;

declare module '../protocol/base/errors.ts' {
  interface ErrorCodes extends Record<JobFileErrorCode, string> {}
}
