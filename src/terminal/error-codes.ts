/** Error codes of the command line: what each means and what to do. */
const cliErrors = {
  BUNDLE_UNREADABLE:
    'The file is no bundle, or a damaged one: it proves nothing. Fetch the artifact again with `--bundle-out`.',
  CLI_CONFIRMATION_NEEDED:
    'The command asks before it acts, and nobody is at a terminal to answer. Add `--yes`.',
  CLI_FILE_UNREADABLE:
    'A file or folder named on the command line cannot be read, or is larger than its kind may be; the message says which. Check the path, and that this user may read it.',
  CLI_FILE_UNWRITABLE:
    'A file that the command is to write cannot be written; the message quotes the system. Name a plain file, no device or pipe, in a folder that this user may write to, on a disk with room.',
  CLI_FOLDER_NOT_EMPTY: 'The folder to write the artifact to is not empty. Choose an empty or new one.',
  CLI_INTERNAL_ERROR: 'A defect of Quorate. Run it again with `QUORATE_DEBUG=1` and report what it prints.',
  CLI_INTERRUPTED:
    'The command was stopped (Ctrl-C, or `kill`) before it was done. Nothing half done is left: run it again. While a job was being published it may have arrived: `quorate jobs` lists it.',
  CLI_OUTPUT_LOST:
    'The output of the command could not be written, for example to a full disk. Free space or send the output elsewhere. What the command does may be done nevertheless.',
  CLI_SYSTEM_ERROR: "The operating system refused something; the message is the system's own.",
  CLI_TIMEOUT:
    'The verdict did not come in the time you gave. A job that was published goes on; the hint says whether it was.',
  CLI_USAGE: 'An argument or option is wrong; the message says which. `--help` shows what there is.',
  DIFF_NO_DISPUTE:
    'The run has no results to compare: they are in no dispute, or it goes on, and its results are compared once no further round can open. `quorate show` tells what came of it.',
  EXPORT_MISMATCH: 'The folder is not the artifact that the evidence is about. Fetch it again.',
  IMAGE_IN_USE: 'A build uses the image that was to be removed. Try again when it has ended.',
  PROJECT_IN_USE: 'A worker of the project runs here. End it first: `quorate worker stop`.',
  SANDBOX_CONSENT_NEEDED:
    'The strongest sandbox that works here shares your kernel with the builds, or is weaker than the one this host lent itself with before. Accept it with `--tier` or in `worker.toml`, or see with `quorate doctor` what a stronger one lacks.',
  SERVICE_FAILED:
    'The service cannot be set up on this host; the message says why, and the hint what to do. `quorate join --yes` lends it without a service.',
  SERVICE_NEEDS_ROOT:
    'Only root can add to the system services. Use sudo, or `--user` for a service of your own.',
  TICKET_EXPIRED:
    "The ticket's time is over, by more than the minute that clocks may differ. Ask the owner for a new one: `quorate invite <name>`.",
  TRY_NO_SHELL:
    'The sandbox that was chosen has no terminal for a person. `--tier namespace` has one. It is said before any sandbox is looked at.',
  WORKER_FILE_INVALID:
    '`worker.toml` is no TOML, or has a key or a value that is not possible; the message begins with file and line. `quorate worker config --example` prints a file with every key explained.',
  WORKER_FILE_UNREADABLE: '`worker.toml` cannot be read, or the file to check is not there.',
} as const;

export type CliErrorCode = keyof typeof cliErrors;

declare module '../protocol/base/errors.ts' {
  interface ErrorCodes extends Record<CliErrorCode, string> {}
}
