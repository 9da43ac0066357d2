import { shellWord } from '../../src/protocol/base/shell-word.ts';
import type { Guards } from '../namespace/guards.ts';
import { driverCommand } from '../run/driver.ts';
import type { ProcessBounds } from '../run/process-limits.ts';
import { etcFiles, profileOf, profilePath } from '../run/profile.ts';
import type { SandboxJob } from '../types.ts';
import { type CpioEntry, cpio } from './cpio.ts';
import { guestPaths } from './guest.ts';

/** Descriptor of the system call filter for bwrap in the guest. */
const FILTER_FD = 5;

/**
 * The job for one guest, as a cpio archive. Inside the guards of the namespace tier apply: a build sees the same in both. `mark`: the
 * end marker. `onDisk`: the guest has a disk for the folder of the build.
 */
export function jobFiles(
  job: SandboxJob,
  guards: Guards,
  { mark, onDisk, bounds }: { mark: Buffer; onDisk: boolean; bounds: ProcessBounds },
): Buffer {
  const pins = profileOf(job);
  const filter = guards.seccomp('x64');
  const driver = driverCommand(job, { step: guards.stepPrefix() });
  const before = [
    ...['/usr/bin/bwrap', ...guards.namespaces(pins), ...(job.network === undefined ? guards.network() : [])],
    ...[...guards.privileges(), '--clearenv', '--setenv', 'PATH', profilePath],
    ...['--ro-bind', guestPaths.system, '/', '--proc', '/proc', '--dev', '/dev'],
  ];
  const after = [
    ...guards.disk(job.limits, onDisk ? guestPaths.disk : undefined),
    ...['--remount-ro', '/', '--chdir', '/build'],
    ...(filter === undefined ? [] : ['--seccomp', String(FILTER_FD)]),
  ];
  // Without this, the build's account would map to root of the guest.
  const account = ['/usr/bin/setpriv', `--reuid=${pins.uid}`, `--regid=${pins.uid}`, '--clear-groups', '--'];
  const start = [
    ...Object.entries(guards.processLimits(bounds)).flatMap(([name, value]) => ulimit(name, value)),
    'set --',
    `for path in ${words(guards.hidden())}; do`,
    '  if [ -d "$path" ]; then set -- "$@" --perms 0555 --size 4096 --tmpfs "$path" --remount-ro "$path"',
    '  elif [ -e "$path" ]; then set -- "$@" --ro-bind /dev/null "$path"',
    '  fi',
    'done',
    `exec ${words([...account, ...before])} "$@" ${words(after)} -- ${words(driver)} ${FILTER_FD}<${guestPaths.job}/filter`,
    '',
  ].join('\n');
  const limits = (['memory', 'cpu', 'pids'] as const).flatMap((name) => guards.cgroup(name, 2, job.limits));
  const entries: CpioEntry[] = [
    ...['over', 'over/build', 'over/dev', 'over/etc', 'over/proc', 'limits'].map((name) => ({ name })),
    { name: 'over/tmp', link: 'build/tmp' },
    ...etcFiles(pins).map(({ path, text }) => ({ name: `over${path}`, content: text })),
    ...limits.map(({ file, value }) => ({ name: `limits/${file}`, content: value })),
    { name: 'filter', content: filter ?? '' },
    { name: 'start', content: start },
    { name: 'mark', content: mark },
    ...(job.network === undefined ? [] : [{ name: 'network', content: '' }]),
  ];
  return cpio(entries);
}

const words = (list: readonly string[]): string => list.map(shellWord).join(' ');

/** The limits besides these are 0 in a guest already. */
function ulimit(name: string, value: string): string[] {
  const [soft, hard] = value.split(':');
  // ulimit counts core dumps in blocks of 512 bytes; less is 0.
  if (name === 'core') return ['ulimit -c 0'];
  return name === 'nofile' ? [`ulimit -Hn ${hard}`, `ulimit -Sn ${soft}`] : [];
}
