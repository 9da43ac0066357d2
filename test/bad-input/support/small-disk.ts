import type { Proc } from '../../e2e/support/processes.ts';

const root = process.getuid?.() === 0;
/** A mount is root's, or of a user namespace; what runs then has no more rights than it had. */
const unshare = root
  ? ['unshare', '--mount']
  : ['unshare', '--user', '--map-current-user', '--keep-caps', '--mount'];
const asBefore = root ? '' : 'setpriv --ambient-caps=-all --inh-caps=-all --';
/** Words of `nsenter`: to where such a process is. */
export const enter = root ? ['--mount'] : ['--user', '--mount', '--preserve-credentials'];

/** Runs a command with a small disk of its own at `dir`, which nobody else sees, and which is gone with it. */
export const withDisk = (dir: string, size: string): string[] => [
  ...unshare,
  ...['sh', '-c', `mount -t tmpfs -o size=${size} none "$0" && exec ${asBefore} "$@"`, dir],
];

/** The same, and lists what is left there at the end. */
export const listed = (dir: string, size: string, into: string): string[] => [
  ...unshare,
  ...[
    'sh',
    '-c',
    `mount -t tmpfs -o size=${size} none "$0"; "$@"; code=$?; ls -A "$0" > '${into}'; exit $code`,
    dir,
  ],
];

/** A path as a process sees it there. */
export const seenBy = (proc: Proc, path: string): string => `/proc/${proc.pid}/root${path}`;
