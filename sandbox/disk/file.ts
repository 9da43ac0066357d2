import { execFile } from 'node:child_process';
import { chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf, QuorateError } from '../../src/protocol/base/errors.ts';
import { requireTool } from '../host.ts';
import { sandboxLimits } from '../limits.ts';

const MiB = 1024 * 1024;

/** Inodes have 256 bytes, one for each block of 4 KiB: packages have very many small files. */
const bytesPerInode = 4096;
const inodeBytes = 256;

/** Bytes that ext4 uses besides the inode tables, at most: bitmaps, group descriptors, `/` and `lost+found`. */
const overheadBytes = 8 * MiB;

/** Folders list their names in an order that depends on this, so it is the same in each build. Any UUID would do. */
const hashSeed = '5c2b8a9e-3f60-4d0f-9a57-6f1d2c7b4e31';

/** Size of a file whose file system has room for so many bytes of content. */
export const fileBytesFor = (contentBytes: number): number =>
  Math.ceil((contentBytes * (1 + inodeBytes / bytesPerInode) + overheadBytes) / MiB) * MiB;

/** `file`: uid and gid that own the file; undefined: those of this process. `top`: uid and gid of the root folder of the file system in it. */
export interface DiskOwners {
  file: number | undefined;
  top: number;
}

/**
 * Makes a file with an empty ext4 file system in `folder`, which it makes too. All of the file is allocated, so what is written there
 * later never finds the host's disk full. Returns its path. The folder's owner removes it.
 * @throws SANDBOX_DISK_FULL, SANDBOX_FAILED
 */
export async function makeDiskFile(folder: string, bytes: number, owners: DiskOwners): Promise<string> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, 'build.ext4');
  const allocate = () => run('fallocate', ['-l', String(bytes), path]);
  await allocate();
  const { file, top } = owners;
  await run('mkfs.ext4', [
    ...['-q', '-F', '-m', '0', '-i', String(bytesPerInode), '-I', String(inodeBytes), '-b', '4096'],
    // It is never used again, whatever ends the build: no journal. What is not written is not initialised.
    ...['-O', '^has_journal,^resize_inode'],
    ...['-E', `lazy_itable_init=1,nodiscard,hash_seed=${hashSeed},root_owner=${top}:${top}`, path],
  ]);
  // Where mke2fs clears blocks of a file it punches holes into it.
  await allocate();
  if (file !== undefined) chownSync(path, file, file);
  return path;
}

async function run(tool: string, args: readonly string[]): Promise<void> {
  const timeout = sandboxLimits.diskFileSecondsMax * 1000;
  try {
    await promisify(execFile)(requireTool(tool), [...args], { env: { LC_ALL: 'C' }, timeout });
  } catch (cause) {
    const says = messageOf(cause).trim().split('\n').at(-1) ?? '';
    if (/No space left on device|Disk quota exceeded|File too large/.test(says))
      throw new QuorateError('SANDBOX_DISK_FULL', `there is no room for the disk of a build: ${says}`, {
        hint: 'Make room on the disk that the worker keeps its files on, or lend less disk.',
        cause,
      });
    throw new QuorateError('SANDBOX_FAILED', `the disk of a build could not be made: ${says}`, {
      hint: 'quorate doctor --verbose says what is missing',
      cause,
    });
  }
}
