import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statfsSync,
} from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';

const memory = '/dev/shm';
const name = /^q(\d+)(?:-(\w+))?$/;
const dayMs = 86_400_000;
const GiB = 2 ** 30;
/** Of the file system, and of the machine, in bytes: tests use some hundred megabytes. */
const [roomMin, memoryMin] = [4 * GiB, 8 * GiB];

const isMounted = (): boolean =>
  readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .some(
      ([, at, type, flags = '']) => at === memory && type === 'tmpfs' && !flags.split(',').includes('noexec'),
    );

function hasRoom(): boolean {
  const { bavail, bsize } = statfsSync(memory);
  return bavail * bsize >= roomMin && process.availableMemory() >= memoryMin;
}

/**
 * A folder in memory for the temporary files of a run. Tests open thousands of journals and indexes, and each syncs its file several
 * times: some 40 ms on a disk, 2 ms in memory. Undefined where TMPDIR is given, or there is no room: then it is the usual folder. Tests
 * that need a disk take /var/tmp. The name is short, since that of a socket is.
 */
export function temporaryFolder(): string | undefined {
  if (process.env.TMPDIR !== undefined || !isMounted()) return undefined;
  let folder: string;
  try {
    folder = join(memory, folderName(process.pid));
    // Of runs that were killed: they take room.
    for (const left of readdirSync(memory)) if (isLeft(memory, left)) remove(join(memory, left));
    if (!hasRoom()) return undefined;
    mkdirSync(folder);
    // As /tmp: tests run programs as somebody else.
    chmodSync(folder, 0o1777);
  } catch {
    return undefined;
  }
  removeAtEnd(folder);
  return folder;
}

/** Reads until the process that started it has ended, and waits, 30 s at most, for those whose TMPDIR is the folder. */
const remover = `read -r _
tries=0
while [ $tries -lt 300 ] && grep -qszFx "TMPDIR=$1" /proc/[0-9]*/environ; do
  tries=$((tries + 1))
  sleep 0.1
done
rm -rf -- "$1"`;

/** Removes a folder after this process, however it ends: test processes that a signal leaves behind write into it for a moment. */
export function removeAtEnd(folder: string): void {
  const { TMPDIR: _, ...env } = process.env;
  // In a group of its own, which a signal for all others does not reach.
  const child = spawn('sh', ['-c', remover, 'remover', folder], {
    cwd: '/',
    detached: true,
    env,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.on('error', () => {}).unref();
  (child.stdin as Socket).unref();
}

/** The namespace in which a process id means anything: containers may share the folder. */
const namespace = (): string => Number(/\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0]).toString(36);

export const folderName = (pid: number): string => `q${pid}-${namespace()}`;

/** Whether the run of a folder has ended. Where its processes are not seen from here, it has after a day. */
export function isLeft(parent: string, found: string): boolean {
  const [, pid, where] = name.exec(found) ?? [];
  if (pid === undefined) return false;
  const about = lstatSync(join(parent, found), { throwIfNoEntry: false });
  if (about === undefined || about.uid !== process.getuid?.()) return false;
  return where === namespace() ? !existsSync(`/proc/${pid}`) : about.mtimeMs < Date.now() - dayMs;
}

function remove(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch {
    // A file of another account: no run fails for it.
  }
}
