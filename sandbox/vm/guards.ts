import type { BuildGuards } from '../build/guards.ts';
import { limitSettings } from '../cgroups/settings.ts';
import { jobUid } from '../host.ts';
import { sandboxLimits } from '../limits.ts';
import { type Guards, guards as insideGuards } from '../namespace/guards.ts';
import { seccompFilter } from '../seccomp/policy.ts';
import type { Arch } from '../seccomp/syscalls.ts';
import type { SandboxLimits } from '../types.ts';
import { type Accelerator, vmMemoryBytes } from './qemu.ts';

/** What holds a machine. As with the other tiers, the attack tests weaken one of these at a time. */
export interface VmGuards extends BuildGuards {
  /** Around the build, in the guest. They make a build find what it finds elsewhere, and hold its limits exactly. */
  readonly inside: Guards;
  /** Until the guest speaks, each time it is tried. */
  readonly bootMs: (limits: SandboxLimits) => number;
  /** Of QEMU's system calls. */
  readonly seccomp: (arch: Arch) => Uint8Array;
  /** The host's uid QEMU runs under; undefined is the worker's own. */
  readonly account: (slot: number) => number | undefined;
}

export const vmGuards = (accelerator: Accelerator): VmGuards => ({
  inside: insideGuards,
  seccomp: seccompFilter,
  account: jobUid,
  cgroup: (controller, version, limits) =>
    limitSettings(controller, version, {
      ...limits,
      memoryBytes: vmMemoryBytes(limits),
      pids: sandboxLimits.qemuThreadsMax + Math.ceil(limits.cpus),
    }),
  bootMs: ({ cpus }) => (sandboxLimits.guestBootSecondsMax[accelerator] * 1000) / Math.min(1, cpus),
  deadlineMs: ({ seconds }) =>
    seconds * 1000 * (accelerator === 'tcg' ? sandboxLimits.emulatedTimeFactor : 1),
  outputBytesMax: insideGuards.outputBytesMax,
});
