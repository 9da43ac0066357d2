import type { TrailingEntry } from '../archive.ts';
import { proxyEnvironment } from '../net/proxy-bridge.ts';
import type { ProfileValues, SandboxJob } from '../types.ts';
import { profileOf, profilePath } from './profile.ts';

/** File descriptors of the driver, besides 0 (source and inputs in), 1 (log) and 2 (why set-up failed, then log). */
export const driverFds = { status: 3, outputs: 4 } as const;

/** Besides, of a job with a terminal. */
export const terminalFds = { keys: 5, sizes: 6 } as const;

/** What tar reads and writes at once. From a device it waits for the whole of the last record too. */
export const tarRecordBytes = 256 * 512;

/** The driver's own, of the pipe between the steps and the log. */
const pipeFds = { both: 7, read: 8, write: 9 } as const;

/** The pipe between the steps and the log, until it is open. Source and inputs can have nothing of that name. */
const logPipe = '.log';

/** What comes after source and inputs. Where the last is missing, the stream was cut short. */
export const workEntries = ({ home }: ProfileValues): TrailingEntry[] => [
  // Whichever account the driver has, it may open it.
  { name: logPipe, mode: 0o666, type: 'fifo' },
  { name: 'in', mode: 0o755, type: 'directory' },
  { name: home, mode: 0o755, type: 'directory' },
  { name: 'tmp', mode: 0o1777, type: 'directory' },
  { name: 'out', mode: 0o755, type: 'directory' },
];

/** One line each on the status descriptor, in this order; `setup` may come instead of any. */
export type DriverStatus =
  | { kind: 'ready' }
  | { kind: 'exit'; code: number }
  | { kind: 'complete' }
  | { kind: 'setup'; what: string }
  /** Not of the driver: of a kernel around it that ended it, or one of its processes, for memory. */
  | { kind: 'memory' };

export function parseStatus(line: string): DriverStatus | undefined {
  const [, word, rest = ''] = /^(\w+)(?: (\w+))?$/.exec(line) ?? [];
  switch (word) {
    case 'ready':
    case 'complete':
    case 'memory':
      return { kind: word };
    case 'exit':
      return /^\d{1,3}$/.test(rest) && Number(rest) < 256 ? { kind: 'exit', code: Number(rest) } : undefined;
    case 'setup':
      return { kind: 'setup', what: rest };
    default:
      return undefined;
  }
}

/** What a job's own environment may change. 1980 begins it: no archive format is older (reproducible-builds.org, SOURCE_DATE_EPOCH). */
const usual = { SOURCE_DATE_EPOCH: '315532800' };

/** Names a job's own environment cannot change. */
const pinned = ({ user, home, language, timeZone }: ProfileValues): Record<string, string> => ({
  HOME: `/build/${home}`,
  LANG: language,
  LOGNAME: user,
  OUT: '/build/out',
  PATH: profilePath,
  SHELL: '/bin/sh',
  TMPDIR: '/tmp',
  TZ: timeZone,
  USER: user,
});

/** Words before a command, which change what it may do. */
export interface DriverPrefixes {
  /** Before each step's command: they take from it what the driver keeps. */
  readonly step: readonly string[];
  /** Before what the driver itself does with the build's files, where it has another account than the steps. */
  readonly files?: readonly string[];
}

/**
 * The first process inside, as arguments for execve. The steps are its positional parameters: what a build can write,
 * it cannot change. It says on a descriptor the steps do not have how far it came; a step cannot write into it either
 * (see guards.ts, privileges and stepPrefix). Before it reads the outputs it kills whatever the steps left running.
 *
 * What it has for a log is the worker's: a socket or a device, which no program can open by name. The steps get a pipe of
 * their own account, so that `echo x > /dev/stderr` works and nothing of the worker's is in their hands; a process they
 * cannot look into copies it to the log. That one is ended last, once it has copied everything.
 */
export function driverCommand(
  {
    run,
    env,
    outputs,
    network,
    terminal,
    variation,
  }: Pick<SandboxJob, 'run' | 'env' | 'outputs' | 'network' | 'terminal' | 'variation'>,
  prefixes: DriverPrefixes,
): string[] {
  const pins = profileOf({ variation });
  const environment = Object.entries({
    ...{ ...usual, ...env, ...pinned(pins) },
    ...(network !== undefined && proxyEnvironment),
  })
    .map(([name, value]) => `${name}=${value}`)
    .sort();
  return [
    '/bin/sh',
    '-c',
    script(prefixes, ['env', '-i', ...environment], { outputs: coveringPaths(outputs), terminal }, pins),
    'quorate-driver',
    ...run,
  ];
}

/** `a` covers `a/b`, which would otherwise be in the archive twice. */
export function coveringPaths(outputs: string[]): string[] {
  const paths = [...new Set(outputs.map((path) => path.replace(/\/+$/, '')))].sort();
  if (paths.includes('.')) return ['.'];
  return paths.filter((path) => !paths.some((other) => path.startsWith(`${other}/`)));
}

function script(
  { step, files = [] }: DriverPrefixes,
  environment: string[],
  { outputs, terminal }: Pick<SandboxJob, 'outputs' | 'terminal'>,
  { source, umask }: ProfileValues,
): string {
  const { status, outputs: out } = driverFds;
  const { keys, sizes } = terminalFds;
  const { both, read, write } = pipeFds;
  const typed = terminal === undefined ? '' : ` <&${keys} ${keys}<&-`;
  const words = (list: readonly string[]) => list.map((word) => `${quote(word)} `).join('');
  const handle = words(files);
  return `
# What follows ends every process it can see, which must be those of its own process namespace only.
[ $$ = 1 ] || { echo 'not the first process of a process namespace' >&2; exit 125; }
umask 022
say() { echo "$@" >&${status}; }
unpack_failed() {
  if ${handle}sh -c 'echo full > /build/.full' 2>/dev/null; then say setup unpack; else say setup disk; fi
  exit 0
}
${handle}tar -x -p -b ${tarRecordBytes / 512} -f - -C /build --no-same-owner ${out}>&- ${status}>&- || unpack_failed
[ -d /build/out ] || { say setup cut; exit 0; }
cd /build
# Opened for both first, so that neither end waits for the other.
exec ${both}<>${logPipe} ${read}<${logPipe} ${write}>${logPipe}
exec ${both}>&-
${handle}rm ${logPipe}
exec </dev/null 2>&1
cat <&${read} ${[status, out, keys, sizes, read, write].map((fd) => `${fd}>&-`).join(' ')} &
copier=$!
exec ${read}<&-
cd /build/${source}
umask ${umask}
say ready
code=0
for step do
  ${words([...step, ...environment])}\
    /bin/sh -eu -c "$step" ${[status, out, write].map((fd) => `${fd}>&-`).join(' ')}${typed} || { code=$?; break; }
done >&${write} 2>&1
# Kills all but the first process and the one of that number; fails when there were none.
kill_others() {
  found=1
  for p in /proc/[0-9]*; do
    if [ "$p" != /proc/1 ] && [ "$p" != "/proc/$1" ] && [ -e "$p/exe" ]; then
      kill -s KILL "\${p#/proc/}" 2>/dev/null
      found=0
    fi
  done
  return $found
}
# What stands still starts no others meanwhile.
end_others() {
  kill -s STOP -- -1 2>/dev/null
  tries=0
  while kill_others "$1" && [ $tries -lt 250 ]; do
    sleep 0.02
    tries=$((tries + 1))
    kill -s STOP -- -1 2>/dev/null
  done
}
end_others "$copier"
# Nobody else has the pipe now, and nobody is left to stop the copier: it ends when it has copied what is in there.
kill -s CONT "$copier" 2>/dev/null
exec ${write}>&-
wait "$copier" || echo 'quorate: a step ended what copies the log; the end of it may be missing'
# A step may have done that, and had a process of its own come by the number.
end_others none
if [ $code != 0 ]; then say exit $code; exit 0; fi
cd /build/out 2>/dev/null || { echo 'quorate: the steps removed $OUT'; say exit 1; exit 0; }
for path in ${outputs.map(quote).join(' ')}; do
  if ! [ -e "$path" ] && ! [ -L "$path" ]; then
    echo "quorate: the steps did not make the output $path"; say exit 1; exit 0
  fi
done
say exit 0
${handle}tar -c -b ${tarRecordBytes / 512} -f - --format=posix --pax-option=delete=atime,delete=ctime --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --hard-dereference -T /dev/null -- ${outputs.map(quote).join(' ')} >&${out} ${out}>&- ${status}>&- || { say setup outputs; exit 0; }
say complete
`;
}

export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
