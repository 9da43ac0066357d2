const sandboxErrors = {
  SANDBOX_CLEANUP_FAILED:
    'Cgroups of a build could not be removed. Look for processes in uninterruptible sleep; the next start tries again.',
  SANDBOX_DISK_FULL:
    'The disk of this host has no room for what a job may write. Make room where the worker keeps its files, or lend less disk.',
  SANDBOX_FAILED:
    'The sandbox could not be started: a cgroup, a disk, a stream or the kernel of its machine could not be made or read; the message says which. `quorate doctor --verbose` shows what is missing; check the limit of file descriptors too (`ulimit -n`).',
  SANDBOX_JOB_INVALID:
    'The job, its source or an input cannot be given to the sandbox; the message says why. Correct the job.',
  SANDBOX_SHELL_MISSING:
    'A step asks for bash (`shell: bash`), and the image or host has none. No step was run. Add bash, or write the step for sh.',
  SANDBOX_UNAVAILABLE:
    'The sandbox does not work on this host, or a component has known vulnerabilities, so that jobs of others are refused. The message names the failed checks, the hint the fix; `quorate doctor` shows all checks.',
} as const;

export type SandboxErrorCode = keyof typeof sandboxErrors;

declare module '../src/protocol/base/errors.ts' {
  interface ErrorCodes extends Record<SandboxErrorCode, string> {}
}
