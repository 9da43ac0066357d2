import { accessSync, constants, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { QuorateError } from '../src/core/errors.ts';

/** Uids no account uses (systemd's ranges end below, uid_t ends above); a job gets one of them when the worker is root. */
const UID_FIRST = 1_900_000_000;
const UID_COUNT = 1_000_000;
const NOBODY = 65_534;

const toolFolders = ['/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin'];

/** Absolute path of a tool. The worker's PATH is not asked: the sandbox must not depend on who started it. */
export function findTool(name: string): string | undefined {
  return toolFolders.map((folder) => join(folder, name)).find(executable);
}

/** The same, where a probe has seen it. Throws SANDBOX_UNAVAILABLE. */
export function requireTool(name: string): string {
  const path = findTool(name);
  if (path !== undefined) return path;
  throw new QuorateError('SANDBOX_UNAVAILABLE', `${name} was not found`, {
    hint: 'start again: the probe then names what is missing and the command that brings it',
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

/**
 * The uid on the host under which a job of a root worker runs: two jobs do not share one, so that neither counts
 * against the other's per-user limits. `undefined` when not root: the job runs as the worker's own user.
 */
export function jobUid(slot: number): number | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const uid = UID_FIRST + (slot % UID_COUNT);
  return mapped(uid) ? uid : NOBODY;
}

/** Whether this process's user namespace has the uid at all (rootless containers have 65536). */
function mapped(uid: number): boolean {
  return readFileSync('/proc/self/uid_map', 'utf8')
    .trim()
    .split('\n')
    .some((line) => {
      const [inside = 0, , count = 0] = line.trim().split(/\s+/).map(Number);
      return uid >= inside && uid < inside + count;
    });
}

/** The processors this process may run on, in order (proc_pid_status(5): `0-3,8`). Never none. */
export function allowedProcessors(): number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, n) => first + n);
  });
}
