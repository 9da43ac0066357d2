/** Error codes of sandboxes: what each means and what to do. */
const sandboxErrors = {
  SANDBOX_CGROUP_FAILED:
    'A cgroup could not be created or used. `quorate doctor` shows which limit this host cannot enforce.',
  SANDBOX_CLEANUP_FAILED:
    'Cgroups of a build could not be removed. Look for processes in uninterruptible sleep; the next start tries again.',
  SANDBOX_DISK_FAILED:
    'The file that a build gets as its disk could not be made, though it could when the worker started. `quorate doctor --verbose` says what is missing.',
  SANDBOX_DISK_FULL:
    'The disk of this host has no room for what a job may write. Make room where the worker keeps its files, or lend less disk.',
  SANDBOX_JOB_INVALID: 'The job is invalid; the message says why. Correct the job.',
  SANDBOX_KERNEL_UNREADABLE:
    'The kernel for virtual machines is not a Debian cloud kernel, or is damaged. Remove it, and install one with the command that `quorate doctor --tier vm-emulated` prints.',
  SANDBOX_SHELL_MISSING:
    'A step asks for bash (`shell: bash`), and the image or host has none. No step was run. Add bash, or write the step for sh.',
  SANDBOX_SOURCE_INVALID: 'The source or an input is not a complete tar stream of files, folders and links.',
  SANDBOX_SPAWN_FAILED:
    'The sandbox could not be started: a stream to it could not be opened. Check the limit of file descriptors (`ulimit -n`).',
  SANDBOX_UNAVAILABLE:
    'The sandbox does not work on this host, or a component has known vulnerabilities, so that jobs of others are refused. The message names the failed checks, the hint the fix; `quorate doctor` shows all checks.',
} as const;

export type SandboxErrorCode = keyof typeof sandboxErrors;

declare module '../src/protocol/base/errors.ts' {
  interface ErrorCodes extends Record<SandboxErrorCode, string> {}
}
