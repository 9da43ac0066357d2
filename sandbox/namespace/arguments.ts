import { existsSync, lstatSync, readlinkSync, statSync } from 'node:fs';
import { etcFiles, profileOf, profilePath } from '../run/profile.ts';
import { hostArch } from '../seccomp/syscalls.ts';
import type { SandboxJob } from '../types.ts';
import type { Guards } from './guards.ts';

/** Top-level links of a merged-/usr Debian root; absent ones (lib32, libx32) are skipped. */
const topLinks = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'];

/** The host files of /etc that a build sees: configuration of the dynamic linker and of alternatives such as `cc`. */
const etcShared = ['/etc/ld.so.cache', '/etc/ld.so.conf', '/etc/ld.so.conf.d', '/etc/alternatives'];

/** Arguments of bwrap(1) that isolate a job, and the data for its descriptors from `firstFd` on. */
export function bwrapCall(
  guards: Guards,
  job: Pick<SandboxJob, 'dependencies' | 'limits' | 'network' | 'variation'>,
  firstFd: number,
  /** Folder of the image that becomes the root; absent: the host's own system. Place of the build's disk; absent: memory. */
  { root, disk }: { root?: string | undefined; disk?: string | undefined } = {},
): { args: string[]; data: { fd: number; bytes: Uint8Array }[] } {
  const pins = profileOf(job);
  const data: { fd: number; bytes: Uint8Array }[] = [];
  const give = (bytes: Uint8Array): string => {
    const fd = firstFd + data.length;
    data.push({ fd, bytes });
    return String(fd);
  };
  const filter = guards.seccomp(hostArch);
  const args = [
    ...guards.namespaces(pins),
    ...(job.network === undefined ? guards.network() : []),
    ...guards.privileges(),
    ...['--clearenv', '--setenv', 'PATH', profilePath],
    // An image has its own certificates.
    ...(root !== undefined
      ? ['--ro-bind', root, '/']
      : [...systemPaths(), ...certificatesFor(job).flatMap((path) => ['--ro-bind', path, path])]),
    // An image has these files, which are bind-mounted over; elsewhere they are part of the root, without a mount each.
    ...etcFiles(pins).flatMap(({ path, text }) => [
      ...['--perms', '0644', root === undefined ? '--file' : '--ro-bind-data', give(Buffer.from(text)), path],
    ]),
    ...guards.files(),
    ...['--proc', '/proc', '--dev', '/dev', ...hide(guards.hidden())],
    ...guards.disk(job.limits, disk),
    // An image has this link already.
    ...(root === undefined ? ['--symlink', 'build/tmp', '/tmp'] : []),
    ...['--remount-ro', '/', '--chdir', '/build'],
    ...(filter === undefined ? [] : ['--seccomp', give(filter)]),
  ];
  return { args, data };
}

/** Mounts an unreadable device or an empty folder over each path that exists; kernels differ in which do. */
function hide(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) return [];
    return found.isDirectory()
      ? ['--perms', '0555', '--size', '4096', '--tmpfs', path, '--remount-ro', path]
      : ['--ro-bind', '/dev/null', path];
  });
}

/** bwrap arguments that mount the host's system read-only below a folder. */
export function systemPaths(below = ''): string[] {
  return [
    ...['--ro-bind', '/usr', `${below}/usr`, ...topLinks.flatMap((name) => topLevel(name, below))],
    ...etcShared.filter((path) => existsSync(path)).flatMap((path) => ['--ro-bind', path, below + path]),
  ];
}

/** bwrap arguments that create the folders above a path with mode 0755, below a folder; bwrap's default is private to its user. */
export function passage(path: string, below = ''): string[] {
  const names = path.split('/').slice(1, -1);
  return names.flatMap((_, n) => ['--perms', '0755', '--dir', `${below}/${names.slice(0, n + 1).join('/')}`]);
}

/**
 * bwrap arguments for a program of the host such as git or QEMU: uid 1000 in a user namespace; for root none, since bwrap
 * as root can bind folders that only root can enter, and `dropTo` then switches to an unused account.
 */
export function accountFlags(uid: number | undefined): string[] {
  if (uid === undefined) return ['--unshare-user', '--disable-userns', '--uid', '1000', '--gid', '1000'];
  return ['CAP_SETUID', 'CAP_SETGID', 'CAP_SETPCAP'].flatMap((capability) => ['--cap-add', capability]);
}

/** Command prefix inside of it: leaves root and all privileges for good. `groups`: the option for supplementary groups. */
export function dropTo(uid: number | undefined, groups = '--clear-groups'): string[] {
  if (uid === undefined) return [];
  return [
    ...['setpriv', `--reuid=${uid}`, `--regid=${uid}`, groups, '--no-new-privs'],
    ...['--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all', '--'],
  ];
}

/** Existing paths of the host's CA certificates (public part only), which TLS clients need. */
export const certificates = (): string[] =>
  ['/etc/ssl/certs', '/etc/pki/tls/certs', '/etc/pki/ca-trust/extracted'].filter((path) => existsSync(path));

/** Those that a build in the host's system sees: Debian's pip does not start without them. */
export const certificatesFor = ({
  network,
  dependencies,
}: Pick<SandboxJob, 'network' | 'dependencies'>): string[] =>
  network === undefined && dependencies === undefined ? [] : certificates();

function topLevel(name: string, below: string): string[] {
  const path = `/${name}`;
  try {
    return lstatSync(path).isSymbolicLink()
      ? ['--symlink', readlinkSync(path), below + path]
      : ['--ro-bind', path, below + path];
  } catch {
    return [];
  }
}
