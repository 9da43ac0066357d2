import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { QuorateError } from '../../src/protocol/base/errors.ts';
import type { Unpinned } from '../../src/protocol/documents/statement.ts';
import { limitSettings } from '../cgroups/settings.ts';
import { jobUid, requireTool } from '../host.ts';
import { sandboxLimits } from '../limits.ts';
import { type Guards, guards as insideGuards } from '../namespace/guards.ts';
import type { BuildGuards } from '../run/guards.ts';
import { type BuildProcess, firstFreeFd, startInCgroups } from '../run/process.ts';
import { profileOf } from '../run/profile.ts';
import type { LaunchContext, TierBackend } from '../run/tier.ts';
import { seccompFilter } from '../seccomp/policy.ts';
import type { Arch } from '../seccomp/syscalls.ts';
import type { SandboxJob, SandboxLimits } from '../types.ts';
import { VmBoot } from './boot.ts';
import { type CpioEntry, cpio } from './cpio.ts';
import { FileCache, sha256Of } from './file-cache.ts';
import { guestFiles } from './guest.ts';
import { withLibraries } from './host-programs.ts';
import { jobFiles } from './job-files.ts';
import { findKernel, type GuestKernel, kernelFacts, kernelModules, unpackKernel } from './kernel.ts';
import { type Accelerator, qemuArguments, vmMemoryBytes } from './qemu.ts';
import { sandboxedQemu } from './qemu-sandbox.ts';

/** The guest's initramfs, made from the host's programs. The same bytes for the same packages. @throws SANDBOX_UNAVAILABLE */
export function initramfs(kernel: GuestKernel): Buffer {
  const programs = withLibraries(['bwrap', 'setpriv']).map(({ path, from }) => file(path.slice(1), from));
  const entries = [
    ...guestFiles,
    file('bin/busybox', requireTool('busybox')),
    ...programs.flatMap((entry) => [...foldersOf(entry.name), entry]),
    ...kernelModules(kernel),
  ];
  const once = new Map(entries.map((entry) => [entry.name, entry]));
  return cpio([...once.values()]);
}

const file = (name: string, from: string) => ({ name, content: readFileSync(from), executable: true });

function foldersOf(path: string): CpioEntry[] {
  const names = path.split('/').slice(0, -1);
  return names.map((_, n) => ({ name: names.slice(0, n + 1).join('/') }));
}

/** The guards of the virtual machine tiers. The attack tests weaken one at a time. No option can change them. */
export interface VmGuards extends BuildGuards {
  /** Guards around the build inside of the guest: the same environment as in other tiers, and exact limits. */
  readonly inside: Guards;
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

const [JOB_FD, FILTER_FD] = [firstFreeFd, firstFreeFd + 1];

/** A boot may fail for a transient reason, so it is tried twice. */
const BOOT_ATTEMPTS = 2;

export const qemuName = 'qemu-system-x86_64';

/** Files that a virtual machine boots: absolute paths. */
export interface BootFiles {
  readonly kernel: string;
  readonly initramfs: string;
  /** Facts about the kernel for the receipt. */
  readonly facts: Unpinned;
}

export const fileCacheIn = (stateDir: string): FileCache => new FileCache(join(stateDir, 'vm'));

/** The tiers `vm` and `vm-emulated`: each job runs in a virtual machine with its own kernel. */
export function vmTier(
  accelerator: Accelerator,
  makeFiles: () => Promise<BootFiles>,
  guards: VmGuards = vmGuards(accelerator),
): TierBackend {
  let made: Promise<BootFiles> | undefined;
  let unpinned: Unpinned = {};
  const filesOnce = async (): Promise<BootFiles> => {
    made ??= makeFiles();
    try {
      const files = await made;
      unpinned = files.facts;
      return files;
    } catch (error) {
      made = undefined;
      throw error;
    }
  };
  return {
    tier: accelerator === 'kvm' ? 'vm' : 'vm-emulated',
    hostImage: false,
    disk: 'drive',
    guards,
    // The machine type is pinned. The kernel is the newest that the operator had unpacked when this worker started.
    unpinned: () => unpinned,
    launch: async (job, launching) => launch(accelerator, guards, job, launching, await filesOnce()),
  };
}

async function launch(
  accelerator: Accelerator,
  guards: VmGuards,
  job: SandboxJob,
  { directories, slot, bounds, makeDisk }: LaunchContext,
  files: BootFiles,
): Promise<BuildProcess> {
  if (job.image === 'host') throw new Error('assertion failed: checkJob refuses the host for this tier');
  const image = await job.image.erofs();
  // Random, so that a build cannot forge its own end marker.
  const mark = randomBytes(32);
  const uid = guards.account(slot);
  const disk = await makeDisk?.({ file: uid, top: profileOf(job).uid });
  const onDisk = disk !== undefined;
  const data = [
    { fd: JOB_FD, bytes: jobFiles(job, guards.inside, { mark, onDisk, bounds }) },
    { fd: FILTER_FD, bytes: guards.seccomp('x64') },
  ];
  const command = sandboxedQemu(
    { ...files, image, disk },
    accelerator,
    { uid, filterFd: FILTER_FD, hasNetwork: job.network !== undefined },
    [requireTool(qemuName), ...qemuArguments(job, accelerator, { jobFd: JOB_FD, onDisk })],
  );
  const limits = guards.inside.processLimits(bounds);
  const start = () => startInCgroups({ job, directories, slot, command, data, limits });
  return new VmBoot(start, { bootMs: guards.bootMs(job.limits), attempts: BOOT_ATTEMPTS, mark });
}

/** Creates the boot files from the newest kernel and the host's programs. @throws SANDBOX_UNAVAILABLE without a kernel */
export async function bootFiles(cache: FileCache, folders?: readonly string[]): Promise<BootFiles> {
  const found = findKernel(folders);
  if (found === undefined)
    throw new QuorateError('SANDBOX_UNAVAILABLE', 'there is no kernel for virtual machines', {
      hint: 'quorate doctor --tier vm-emulated names the command that installs it',
    });
  const packed = readFileSync(found.image);
  const initial = initramfs(found);
  return {
    kernel: await cache.bytes('kernel', sha256Of(packed), () => unpackKernel(packed, found.image)),
    initramfs: await cache.bytes('initramfs', sha256Of(initial), () => initial),
    facts: kernelFacts(found, packed),
  };
}
