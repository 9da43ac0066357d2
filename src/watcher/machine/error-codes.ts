/** Error codes of hooks: what each means and what to do. */
const hookErrors = {
  HOOK_LINES_FULL:
    'The hook has run for as many refs and jobs as it remembers, in all or of one publisher; it goes on for those and for other publishers. Begin another one with `--name`; it starts with what is trusted then.',
  HOOK_NOTICE_FALSE:
    'What the controller listed is not what the evidence says, or not what the hook is for. The command was not run. Look at the run, and at the controller.',
  HOOK_NOT_COSIGNED:
    'No trusted worker signed the verdict, so whoever holds the controller can forge it. `--uncosigned` accepts it nevertheless.',
  HOOK_OLDER:
    'The command ran for a later run of the same repository, ref and job already, and never goes back. Build the commit that is meant again: `quorate run --rebuild`.',
  HOOK_PLACE_UNSIGNED:
    "The job was not built for this request: it was answered from an earlier build, and nobody but the controller signed where that answer stands in the log. Publish it again with --rebuild, or under a controller and a trusted worker of today's version.",
  HOOK_REQUEST_AHEAD:
    'The publisher signed a time that is ahead of the clock of this host. One of the two clocks is wrong; set it, and publish again.',
  HOOK_TAKE_TIMEOUT:
    'The evidence or the files of a run could not be had within an hour. It is tried again, a few times.',
  HOOK_USAGE:
    'The command line of a hook is wrong: its name, its ref, its command or the run that it names; the message says which. `quorate on trusted --help` shows how it is written.',
} as const;

export type HookErrorCode = keyof typeof hookErrors;

declare module '../../protocol/base/errors.ts' {
  interface ErrorCodes extends Record<HookErrorCode, string> {}
}
