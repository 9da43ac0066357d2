import { assert } from '../../src/protocol/base/errors.ts';
import { shellWord } from '../../src/protocol/base/shell-word.ts';
import type { TrailingEntry } from '../archive.ts';
import { proxyEnvironment } from '../net/proxy-bridge.ts';
import {
  type ProfileValues,
  type SandboxJob,
  type SourceCommit,
  type StepParts,
  stepParts,
} from '../types.ts';
import { profileOf, profilePath } from './profile.ts';

/** First bytes of the message; after them its length in eight hexadecimal digits. */
const magic = 'quorate1';

/** The job as the native first process reads it (native/source/first.c, read_job): words, each ended by NUL. */
export function jobMessage(job: DrivenJob): Buffer {
  const { uid, umask, source } = profileOf(job);
  const flags = [
    job.terminal === undefined ? '' : 't',
    job.stepMarks === true ? 'm' : '',
    job.failedOutputs === true ? 'f' : '',
  ].join('');
  const environment = buildEnvironment(job);
  const outputs = coveringPaths(job.outputs);
  const steps = job.run.map(stepParts);
  const words = [
    ...[String(uid), umask, source, flags],
    ...[String(environment.length), ...environment],
    ...[String(outputs.length), ...outputs],
    String(steps.length),
    ...steps.flatMap(({ name = '', shell = 'sh', allowFailure, run }) => [
      ...[name, shell, allowFailure === true ? 'allowed' : '', run],
    ]),
  ];
  // checkJob refuses such a job.
  assert(!words.some((word) => word.includes('\0')), 'no word holds a NUL');
  const body = Buffer.from(words.map((word) => `${word}\0`).join(''));
  return Buffer.concat([Buffer.from(magic + body.length.toString(16).padStart(8, '0')), body]);
}

/** File descriptors of the driver, besides 0 (source and inputs), 1 (log) and 2 (set-up errors, then the log). */
export const driverFds = { status: 3, outputs: 4 } as const;

/** Additional descriptors of a job with a terminal: keyboard input and window sizes. */
export const terminalFds = { keys: 5, sizes: 6 } as const;

/** Bytes kept of a status line of the driver (the first) and of its error output (the last). */
export const toldBytesMax = 4096;

/** Size of a tar record. Reading from a device, tar waits until the last record is complete. */
export const tarRecordBytes = 256 * 512;

/** Descriptors of the pipe between the steps and the log. */
const pipeFds = { both: 7, read: 8, write: 9 } as const;

/** Name of that pipe until it has been opened. Source and inputs lie in folders of their own, so it cannot collide. */
const logPipe = '.log';

/** Entries after source and inputs: without the last the stream is truncated. `pipe`: not for the native first process. */
export const workEntries = ({ home }: ProfileValues, pipe = true): TrailingEntry[] => [
  // The driver's account differs between tiers, so every account may open it.
  ...(pipe ? [{ name: logPipe, mode: 0o666, type: 'fifo' } as const] : []),
  { name: 'in', mode: 0o755, type: 'directory' },
  { name: home, mode: 0o755, type: 'directory' },
  { name: 'tmp', mode: 0o1777, type: 'directory' },
  { name: 'out', mode: 0o755, type: 'directory' },
];

/** Messages on the status descriptor, one per line, in this order. `setup` may replace any of them. */
export type DriverStatus =
  | { kind: 'ready' }
  | { kind: 'exit'; code: number }
  | { kind: 'complete' }
  | { kind: 'setup'; what: string }
  /** Sent by a guest kernel, not by the driver: the out-of-memory killer ended a process of the build. */
  | { kind: 'memory' };

/** Parses a line of the status descriptor; undefined for anything that is not a valid message. */
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

export type DrivenJob = Omit<SandboxJob, 'source' | 'git' | 'inputs' | 'limits' | 'image'>;

/** Command prefixes that drop privileges. */
export interface DriverPrefixes {
  /** Before each step: drops the privileges that only the driver keeps. */
  readonly step: readonly string[];
  /** Before the driver's own commands on the build's files, in a tier where driver and steps have different accounts. */
  readonly files?: readonly string[];
}

/**
 * The driver: the first process inside of the sandbox, as arguments for execve. The steps are its positional parameters, each
 * as its name (or nothing), its shell, whether it may fail (or nothing) and its command, so that the script does not depend on anything a build can write. It reports its progress on a descriptor that the steps do
 * not inherit; a step cannot reach it through the driver's memory either (see guards.ts, privileges and stepPrefix). Before
 * it packs the outputs it kills all processes that the steps left running.
 *
 * The driver's log descriptor is a socket or a device, which no program can reopen by name. The steps get a pipe that belongs
 * to their account, so that `echo x > /dev/stderr` works. A process that they cannot trace copies the pipe to the log, and
 * is ended last, when it has copied everything.
 */
export function driverCommand(job: DrivenJob, prefixes: DriverPrefixes): string[] {
  const steps = job.run.map(stepParts);
  return [
    ...['/bin/sh', '-c', script(prefixes, job, steps), 'quorate-driver'],
    ...steps.flatMap(({ name = '', shell, allowFailure, run }) => [
      ...[name, shells[shell ?? 'sh'], allowFailure === true ? 'allowed' : '', run],
    ]),
  ];
}

/** Removes paths that lie below another output: `a` covers `a/b`, which the archive would otherwise hold twice. */
export function coveringPaths(outputs: string[]): string[] {
  const paths = [...new Set(outputs.map((path) => path.replace(/\/+$/, '')))].sort();
  if (paths.includes('.')) return ['.'];
  return paths.filter((path) => !paths.some((other) => path.startsWith(`${other}/`)));
}

function script({ step, files = [] }: DriverPrefixes, job: DrivenJob, steps: readonly StepParts[]): string {
  const { source, umask } = profileOf(job);
  const { status, outputs: out } = driverFds;
  const { keys, sizes } = terminalFds;
  const { both, read, write } = pipeFds;
  const typed = job.terminal === undefined ? '' : ` <&${keys} ${keys}<&-`;
  const [begins, failed] = job.stepMarks === true ? markers(steps.length) : ['', ''];
  const words = (list: readonly string[]) => list.map((word) => `${shellWord(word)} `).join('');
  const handle = words(files);
  return `
# The script kills every process it can see, so it must run in a process namespace of its own.
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
# Opened for reading and writing first: opening one end alone would block until the other is opened.
exec ${both}<>${logPipe} ${read}<${logPipe} ${write}>${logPipe}
exec ${both}>&-
${handle}rm ${logPipe}
exec </dev/null 2>&1
cat <&${read} ${[status, out, keys, sizes, read, write].map((fd) => `${fd}>&-`).join(' ')} &
copier=$!
exec ${read}<&-
cd /build/${source}
umask ${umask}
${steps.some(({ shell }) => shell === 'bash') ? 'command -v bash >/dev/null || { say setup bash; exit 0; }' : ''}
# Fails when the worker was killed while the build started: bwrap asks to die with it only later. No signal ends process 1 here.
say ready || exit 0
code=0
n=0
while [ $# -gt 0 ]; do
  name=$1 shell=$2 allowed=$3 step=$4
  shift 4
  n=$((n + 1))${begins}
  ${words([...step, 'env', '-i', ...buildEnvironment(job)])}\
    $shell -c "$step" ${[status, out, write].map((fd) => `${fd}>&-`).join(' ')}${typed} || {
    code=$?${failed}
    [ -n "$allowed" ] || break
    code=0
  }
done >&${write} 2>&1
# Kills all processes but process 1 and the given one; fails when there were none.
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
# Stopped processes cannot fork.
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
# All other writers are dead, so the copier reaches the end of the pipe when it has copied its content.
kill -s CONT "$copier" 2>/dev/null
exec ${write}>&-
wait "$copier" || echo 'quorate: a step ended what copies the log; the end of it may be missing'
# A step may have killed the copier, and one of its own processes may have got that process id.
end_others none
fail() {
  [ $code = 0 ] || return 0
  echo "quorate: $1"
  code=1
}
# The paths that are there.
set --
if cd /build/out 2>/dev/null; then
  for path in ${coveringPaths(job.outputs).map(shellWord).join(' ')}; do
    if [ -e "$path" ] || [ -L "$path" ]; then set -- "$@" "$path"; else fail "the steps did not make the output $path"; fi
  done
else
  fail 'the steps removed $OUT'
fi
say exit $code
${job.failedOutputs === true ? '' : '[ $code = 0 ] || exit 0'}
${handle}tar -c -b ${tarRecordBytes / 512} -f - --format=posix --pax-option=delete=atime,delete=ctime --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --hard-dereference -T /dev/null -- "$@" >&${out} ${out}>&- ${status}>&- || { say setup outputs; exit 0; }
say complete
`;
}

/** Commands of the shells, before `-c`. Each is split at blanks. No start-up file of a shell takes part. */
const shells = { sh: '/bin/sh -eu', bash: 'bash --noprofile --norc -eu -o pipefail' } as const;

/** Lines of the log: a step begins, with its name or the first line of its command; a step has failed, and whether it may. */
const markers = (steps: number) =>
  [
    `
  printf 'quorate: step %s of ${steps}: %.200s\\n' "$n" "\${name:-\${step%%"
"*}}"`,
    `
    printf 'quorate: step %s of ${steps} failed%s: exit %s%s\\n' "$n" "\${allowed:+ (allowed)}" "$code" "\${name:+ ($name)}"`,
  ] as const;

/** 1980-01-01, the earliest time that a ZIP archive can hold, in seconds since 1970. */
const zipEpochSeconds = 315_532_800;

/** Defaults that a job may override. SOURCE_DATE_EPOCH is the time of the commit, the same for all who build it. */
const usual = (commit: SourceCommit | undefined) => ({
  CI: 'true',
  SOURCE_DATE_EPOCH: String(Math.max(commit?.seconds ?? 0, zipEpochSeconds)),
});

/** Defaults of a build without a network, where npm and pip would try again for minutes. */
const noRetries = { npm_config_fetch_retries: '0', PIP_RETRIES: '0' };

/** Variables that describe the commit of a build. A job's environment cannot override them. */
const ofCommit = ({ id, tree, seconds }: SourceCommit) => ({
  QUORATE_COMMIT: id,
  QUORATE_COMMIT_TIME: String(seconds),
  QUORATE_TREE: tree,
});

/** Variables that a job's environment cannot override. */
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

/** The whole environment of a build's steps, as sorted words `NAME=value`. */
export function buildEnvironment({
  commit,
  dependencies,
  env,
  network,
  variation,
}: Pick<SandboxJob, 'commit' | 'dependencies' | 'env' | 'network' | 'variation'>): string[] {
  return Object.entries({
    ...usual(commit),
    ...(network === undefined && noRetries),
    ...dependencies?.env,
    ...env,
    ...pinned(profileOf({ variation })),
    ...(commit !== undefined && ofCommit(commit)),
    ...(network !== undefined && proxyEnvironment),
  })
    .map(([name, value]) => `${name}=${value}`)
    .sort();
}
