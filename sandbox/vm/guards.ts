import { limitSettings } from '../cgroups/settings.ts';
import { jobUid } from '../host.ts';
import { sandboxLimits } from '../limits.ts';
import { type Guards, guards as insideGuards } from '../namespace/guards.ts';
import type { BuildGuards } from '../run/guards.ts';
import { seccompFilter } from '../seccomp/policy.ts';
import type { Arch } from '../seccomp/syscalls.ts';
import type { SandboxLimits } from '../types.ts';
import { type Accelerator, vmMemoryBytes } from './qemu.ts';

/** The guards of the virtual machine tiers. The attack tests weaken one at a time. No option can change them. */
export interface VmGuards extends BuildGuards {
  /** Guards around the build inside of the guest: the same environment as in other tiers, and exact limits. */
  readonly inside: Guards;
  /** Time limit of one boot, in milliseconds. */
  readonly bootMs: (limits: SandboxLimits) => number;
  /** System call filter of QEMU. */
  readonly seccomp: (arch: Arch) => Uint8Array;
  /** The uid on the host that QEMU runs under; undefined for the worker's own. */
  readonly account: (slot: number) => number | undefined;
}

export const vmGuards = (accelerator: Accelerator): VmGuards => ({
  inside: insideGuards,
  seccomp: seccompFilter,
  account: (slot) => jobUid(slot),
  cgroup: (controller, version, limits) =>
    limitSettings(controller, version, {
      ...limits,
      memoryBytes: vmMemoryBytes(limits),
      pids: sandboxLimits.qemuThreadsMax + Math.ceil(limits.cpus),
    }),
  bootMs: ({ cpus }) => (sandboxLimits.guestBootSecondsMax[accelerator] * 1000) / Math.min(1, cpus),
  deadlineMs: ({ seconds }) =>
    seconds * 1000 * (accelerator === 'tcg' ? sandboxLimits.emulatedTimeFactor : 1),
  diskFileBytes: insideGuards.diskFileBytes,
  outputBytesMax: insideGuards.outputBytesMax,
});
