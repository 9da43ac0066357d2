import type { LimitSettings } from '../cgroups/settings.ts';
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

/** Limits enforced from outside of a build. The attack tests weaken one at a time; no option can change them. */
export interface BuildGuards {
  /** Settings written into the cgroups. A tier adds its own consumption to the job's limits. */
  readonly cgroup: LimitSettings;
  /** Time limit of the steps, in milliseconds of wall time. */
  readonly deadlineMs: (limits: SandboxLimits) => number;
  /** Size of the file of the host that the build's folder lies in; undefined where it lies in memory (`diskFileBytes`). */
  readonly diskFileBytes: (limits: SandboxLimits) => number | undefined;
  /** Maximum size of the archive of outputs, in bytes. */
  readonly outputBytesMax: (limits: SandboxLimits) => number;
}
