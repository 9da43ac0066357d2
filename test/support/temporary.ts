import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
} from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

const memory = '/dev/shm';
const name = /^q(\d+)$/;
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
  const folder = join(memory, `q${process.pid}`);
  try {
    // Of runs that were killed: they take room.
    for (const left of readdirSync(memory)) if (isLeft(left)) remove(join(memory, left));
    if (!hasRoom()) return undefined;
    mkdirSync(folder);
    // As /tmp: tests run programs as somebody else.
    chmodSync(folder, 0o1777);
  } catch {
    return undefined;
  }
  process.once('exit', () => remove(folder));
  return folder;
}

function isLeft(found: string): boolean {
  const pid = name.exec(found)?.[1];
  return (
    pid !== undefined &&
    !existsSync(`/proc/${pid}`) &&
    lstatSync(join(memory, found)).uid === process.getuid?.()
  );
}

function remove(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch {
    // A file of another account: no run fails for it.
  }
}
