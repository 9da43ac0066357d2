import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Unpinned } from '../../src/core/documents/statement.ts';
import { QuorateError } from '../../src/core/errors.ts';
import { firstFreeFd, type Launched, startInGroups } from '../build/launched.ts';
import type { Launching, TierDriver } from '../build/tier.ts';
import { requireTool } from '../host.ts';
import type { SandboxJob } from '../types.ts';
import { Boot } from './boot.ts';
import { enclosed } from './enclosure.ts';
import { type VmGuards, vmGuards } from './guards.ts';
import { initramfs } from './initramfs.ts';
import { jobFiles } from './job-files.ts';
import { hashOf, KeptFiles } from './kept.ts';
import { findKernel, kernelFacts, unpackKernel } from './kernel.ts';
import { type Accelerator, machineArguments } from './machine.ts';

const [JOB_FD, FILTER_FD] = [firstFreeFd, firstFreeFd + 1];

/** A machine that does not come up for a reason of the moment comes up the second time. */
const BOOT_ATTEMPTS = 2;

/** Nothing a build can guess. */
const MARK_BYTES = 32;

export const qemuName = 'qemu-system-x86_64';

/** What a machine boots: absolute paths. */
export interface BootFiles {
  readonly kernel: string;
  readonly initramfs: string;
  /** What a receipt says of the kernel. */
  readonly facts: Unpinned;
}

/** Where a tier keeps what it makes once. */
export const keptIn = (stateDir: string): KeptFiles => new KeptFiles(join(stateDir, 'vm'));

/** A virtual machine for each job: a kernel of its own, and no file of the host's but the image. */
export function vmTier(
  accelerator: Accelerator,
  makeFiles: () => Promise<BootFiles>,
  guards: VmGuards = vmGuards(accelerator),
): TierDriver {
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
    guards,
    // The machine itself is pinned; its kernel is whichever its owner has unpacked, when this worker began.
    unpinned: () => unpinned,
    launch: async (job, launching) => launch(accelerator, guards, job, launching, await filesOnce()),
  };
}

async function launch(
  accelerator: Accelerator,
  guards: VmGuards,
  job: SandboxJob,
  { directories, slot }: Launching,
  files: BootFiles,
): Promise<Launched> {
  if (job.image === 'host') throw new Error('assertion failed: checkJob refuses the host for this tier');
  const image = await job.image.erofs();
  const mark = randomBytes(MARK_BYTES);
  const data = [
    { fd: JOB_FD, bytes: jobFiles(job, guards.inside, mark) },
    { fd: FILTER_FD, bytes: guards.seccomp('x64') },
  ];
  const command = enclosed(
    { ...files, image },
    accelerator,
    { uid: guards.account(slot), filterFd: FILTER_FD, hasNetwork: job.network !== undefined },
    [requireTool(qemuName), ...machineArguments(job, accelerator, JOB_FD)],
  );
  const { processLimits } = guards.inside;
  const start = () => startInGroups({ job, directories, slot, command, data, processLimits });
  return new Boot(start, { bootMs: guards.bootMs(job.limits), attempts: BOOT_ATTEMPTS, mark });
}

/** Made of the newest kernel there is and this machine's own programs. Throws SANDBOX_UNAVAILABLE without a kernel. */
export async function bootFiles(kept: KeptFiles): Promise<BootFiles> {
  const found = findKernel();
  if (found === undefined) {
    throw new QuorateError('SANDBOX_UNAVAILABLE', 'there is no kernel for virtual machines', {
      hint: 'quorate doctor --tier vm-emulated names the command that brings it',
    });
  }
  const packed = readFileSync(found.image);
  const initial = initramfs(found);
  return {
    kernel: await kept.bytes('kernel', hashOf(packed), () => unpackKernel(packed, found.image)),
    initramfs: await kept.bytes('initramfs', hashOf(initial), () => initial),
    facts: kernelFacts(found, packed),
  };
}
