import type { SandboxLimits } from '../types.ts';

/** /dev/shm gets 1/SHM_SHARE of the disk limit, at most SHM_BYTES_MAX: builds use it for POSIX semaphores only. */
const SHM_SHARE = 16;
const SHM_BYTES_MAX = 64 * 1024 * 1024;

/** Divides the disk limit between the two writable file systems. Sizes in bytes. */
export function diskShares({ diskBytes }: Pick<SandboxLimits, 'diskBytes'>): { shm: number; build: number } {
  const shm = Math.min(Math.floor(diskBytes / SHM_SHARE), SHM_BYTES_MAX);
  return { shm, build: diskBytes - shm };
}
