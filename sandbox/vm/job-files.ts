import { driverCommand, quote } from '../build/driver.ts';
import { etcFiles } from '../build/etc.ts';
import { profileOf, profilePath } from '../build/profile.ts';
import type { Guards } from '../namespace/guards.ts';
import type { SandboxJob } from '../types.ts';
import { type CpioEntry, cpio } from './cpio.ts';
import { guestPaths } from './guest.ts';

/** The descriptor on which bwrap in the guest gets the filter. */
const FILTER_FD = 5;

/**
 * What one guest has to run, as an archive. Inside of the machine stand the guards of the namespace tier, so that a build
 * finds the same in both; the machine is what stands between all that and the host.
 */
export function jobFiles(job: SandboxJob, guards: Guards, mark: Buffer): Buffer {
  const pins = profileOf(job);
  const filter = guards.seccomp('x64');
  const driver = driverCommand(job, { step: guards.stepPrefix() });
  const before = [
    ...['/usr/bin/bwrap', ...guards.namespaces(pins), ...(job.network === undefined ? guards.network() : [])],
    ...[...guards.privileges(), '--clearenv', '--setenv', 'PATH', profilePath],
    ...['--ro-bind', guestPaths.system, '/', '--proc', '/proc', '--dev', '/dev'],
  ];
  const after = [
    ...[...guards.disk(job.limits), '--remount-ro', '/', '--chdir', '/build'],
    ...(filter === undefined ? [] : ['--seccomp', String(FILTER_FD)]),
  ];
  // Not as root: then a build's account would be the guest's.
  const account = ['/usr/bin/setpriv', `--reuid=${pins.uid}`, `--regid=${pins.uid}`, '--clear-groups', '--'];
  const start = [
    ...Object.entries(guards.processLimits()).flatMap(([name, value]) => ulimit(name, value)),
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

const words = (list: readonly string[]): string => list.map(quote).join(' ');

/** The shell's letters for limits. The others begin at 0 in a guest, where nobody has rights to hand down. */
const ulimitLetters: Record<string, string> = { nofile: 'n', core: 'c' };

function ulimit(name: string, value: string): string[] {
  const letter = ulimitLetters[name];
  const [soft = '', hard = ''] = value.split(':');
  // The shell counts core dumps in blocks, and one byte is none.
  if (letter === 'c') return ['ulimit -c 0'];
  return letter === undefined ? [] : [`ulimit -H${letter} ${hard}`, `ulimit -S${letter} ${soft}`];
}
