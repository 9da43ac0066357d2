import { existsSync, lstatSync, readlinkSync } from 'node:fs';
import type { SandboxLimits } from '../types.ts';
import { etcFiles } from './etc.ts';
import type { Guards } from './guards.ts';

/** bwrap's arguments up to the command, and what must be written to which file descriptor first. */
export interface BwrapCall {
  readonly args: string[];
  readonly data: { fd: number; bytes: Uint8Array }[];
}

/** Part of a merged-/usr Debian root; absent ones (lib32, libx32) are left out. */
const topLinks = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'];

/** The only host files of /etc a build sees: how the dynamic linker finds libraries and what `cc` stands for. */
const etcShared = ['/etc/ld.so.cache', '/etc/ld.so.conf', '/etc/ld.so.conf.d', '/etc/alternatives'];

export function bwrapCall(guards: Guards, limits: SandboxLimits, firstFd: number): BwrapCall {
  const data: { fd: number; bytes: Uint8Array }[] = [];
  const give = (bytes: Uint8Array): string => {
    const fd = firstFd + data.length;
    data.push({ fd, bytes });
    return String(fd);
  };
  const arch = process.arch === 'arm64' ? 'arm64' : 'x64';
  const filter = guards.seccomp(arch);
  const args = [
    ...guards.namespaces(),
    ...guards.network(),
    ...guards.privileges(),
    ...['--clearenv', '--setenv', 'PATH', pinnedPath],
    ...['--ro-bind', '/usr', '/usr', ...topLinks.flatMap(topLevel)],
    ...etcFiles.flatMap(({ path, text }) => [
      '--perms',
      '0644',
      '--ro-bind-data',
      give(Buffer.from(text)),
      path,
    ]),
    ...etcShared.filter((path) => existsSync(path)).flatMap((path) => ['--ro-bind', path, path]),
    ...guards.files(),
    ...['--proc', '/proc', '--dev', '/dev'],
    ...guards.disk(limits),
    ...['--remount-ro', '/', '--chdir', '/build'],
    ...(filter === undefined ? [] : ['--seccomp', give(filter)]),
  ];
  return { args, data };
}

export const pinnedPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

function topLevel(name: string): string[] {
  const path = `/${name}`;
  try {
    return lstatSync(path).isSymbolicLink()
      ? ['--symlink', readlinkSync(path), path]
      : ['--ro-bind', path, path];
  } catch {
    return [];
  }
}
