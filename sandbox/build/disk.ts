import type { SandboxLimits } from '../types.ts';

/** /dev/shm takes this share of the disk limit, at most SHM_BYTES_MAX: builds use it for semaphores, if at all. */
const SHM_SHARE = 16;
const SHM_BYTES_MAX = 64 * 1024 * 1024;

/** What the disk limit is divided into: bytes of /dev/shm and of /build. */
export function diskShares({ diskBytes }: Pick<SandboxLimits, 'diskBytes'>): { shm: number; build: number } {
  const shm = Math.min(Math.floor(diskBytes / SHM_SHARE), SHM_BYTES_MAX);
  return { shm, build: diskBytes - shm };
}
