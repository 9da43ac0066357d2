import { fileBytesFor } from '../disk/file.ts';
import type { SandboxLimits } from '../types.ts';

/** /dev/shm gets 1/SHM_SHARE of the disk limit, at most SHM_BYTES_MAX: builds use it for POSIX semaphores only. */
const SHM_SHARE = 16;
const SHM_BYTES_MAX = 64 * 1024 * 1024;

/** Divides the disk limit between the two writable file systems. Sizes in bytes. */
export function diskShares({ diskBytes }: Pick<SandboxLimits, 'diskBytes'>): { shm: number; build: number } {
  const shm = Math.min(Math.floor(diskBytes / SHM_SHARE), SHM_BYTES_MAX);
  return { shm, build: diskBytes - shm };
}

/**
 * Size of the file that /build lies in, for a job that may write more than its memory; undefined where /build lies in memory, which is
 * quicker and needs nothing of the host. `extraShare`: room besides, as a share of it.
 */
export function diskFileBytes(limits: SandboxLimits, extraShare = 0): number | undefined {
  if (limits.diskBytes <= limits.memoryBytes) return undefined;
  return fileBytesFor(diskShares(limits).build * (1 + extraShare));
}
