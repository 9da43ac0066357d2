import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SandboxImage } from '../sandbox/index.ts';
import { cpio } from '../sandbox/vm/cpio.ts';
import { probeImage } from '../sandbox/vm/probe.ts';
import { bootFiles, fileCacheIn } from '../sandbox/vm/tier.ts';

/** The least that starts a kernel and ends it again: a bare QEMU, with a guest that does nothing else. */
export async function bareMachine(folder: string): Promise<string[]> {
  const { kernel } = await bootFiles(fileCacheIn(folder));
  const initial = join(folder, 'bare-initramfs');
  const init = '#!/bin/busybox sh\n/bin/busybox poweroff -f\n';
  const busybox = { name: 'bin/busybox', content: readFileSync('/usr/bin/busybox'), executable: true };
  writeFileSync(initial, cpio([{ name: 'bin' }, busybox, { name: 'init', content: init, executable: true }]));
  return [
    ...['qemu-system-x86_64', '-machine', 'q35', '-accel', 'tcg', '-smp', '2', '-m', '2048M'],
    ...['-nodefaults', '-no-reboot', '-display', 'none', '-kernel', kernel, '-initrd', initial],
    ...['-append', 'quiet panic=-1'],
  ];
}

/** The system of the machine's probe: a shell and what it takes to start a job. */
export const smallImage = (folder: string): SandboxImage =>
  probeImage(fileCacheIn(folder), AbortSignal.timeout(60_000));
