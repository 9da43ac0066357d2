import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { QuorateError } from '../src/protocol/base/errors.ts';

/** Files that a command with this prefix finds at `folder`. */
export interface Mounted {
  readonly folder: string;
  readonly prefix: readonly string[];
}

/** Mount points that every account can reach and that the file system hierarchy reserves for such use: those that are there. */
export const mountPlaces = (): string[] =>
  ['/mnt', '/media', '/srv'].filter((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory());

/** Range of uids for the jobs of a root worker: above those that systemd assigns, below the end of uid_t. */
const UID_FIRST = 1_900_000_000;
const UID_COUNT = 1_000_000;
const NOBODY = 65_534;

const toolFolders = ['/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin'];

/** Absolute path of a tool. PATH is ignored: the sandbox must not depend on the environment of the worker. */
export function findTool(name: string): string | undefined {
  return toolFolders.map((folder) => join(folder, name)).find(executable);
}

/** The same for a tool that the probe has found before. @throws SANDBOX_UNAVAILABLE */
export function requireTool(name: string): string {
  const path = findTool(name);
  if (path !== undefined) return path;
  throw new QuorateError('SANDBOX_UNAVAILABLE', `${name} was not found`, {
    hint: 'restart the worker: the probe then names the missing tool and the command that installs it',
  });
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Host uid of a job of a root worker, each its own: limits per user then apply to each alone. Undefined: as the worker. */
export function jobUid(slot: number, map = readFileSync('/proc/self/uid_map', 'utf8')): number | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const uid = UID_FIRST + (slot % UID_COUNT);
  return mapped(uid, map) ? uid : NOBODY;
}

/** Command prefix that switches to an account; empty for the own one. @throws SANDBOX_UNAVAILABLE */
export function accountPrefix(uid: number | undefined, native?: string): string[] {
  if (uid === undefined) return [];
  if (native !== undefined) return [native, 'enter', 'user', String(uid), '--'];
  return [requireTool('setpriv'), `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--'];
}

/** Whether the uid is mapped in this process's user namespace (rootless containers map 65536). */
const mapped = (uid: number, map: string): boolean =>
  map.split('\n').some((line) => {
    const [inside = 0, , count = 0] = line.trim().split(/\s+/).map(Number);
    return uid >= inside && uid < inside + count;
  });

/** The processors this process may run on, ascending (proc_pid_status(5): `0-3,8`). Never empty. */
export function allowedProcessors(status = readFileSync('/proc/self/status', 'utf8')): number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1] ?? '0';
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, n) => first + n);
  });
}
