/** Error codes of sandboxes: what each means and what to do. docs/errors.md is made from it. */
const sandboxErrors = {
  SANDBOX_CGROUP_FAILED:
    'A control group could not be made or used. `quorate sandbox` shows which limit this host cannot hold.',
  SANDBOX_CLEANUP_FAILED:
    'Control groups of an earlier build could not be removed. Look for processes in uninterruptible sleep; the next start tries again.',
  SANDBOX_JOB_INVALID: 'The job cannot be run as it is written; the message says why. Correct the job.',
  SANDBOX_KERNEL_UNREADABLE:
    "The kernel for virtual machines is not one of Debian's cloud image, or is damaged. `quorate doctor --tier vm-emulated` names the command that brings it; remove the old one first.",
  SANDBOX_SOURCE_INVALID: 'The source or an input is not a whole tar stream of files, folders and links.',
  SANDBOX_SPAWN_FAILED:
    'The sandbox could not be started: a stream to it is missing. Look for exhausted file descriptors (`ulimit -n`).',
  SANDBOX_UNAVAILABLE:
    "The sandbox does not work on this host, or a part of it has known holes and runs no stranger's job. The message says which, the hint how to correct it; `quorate doctor` shows everything that was looked at.",
} as const;

export type SandboxErrorCode = keyof typeof sandboxErrors;

declare module '../src/core/errors.ts' {
  interface ErrorCodes extends Record<SandboxErrorCode, string> {}
}
