import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findCgroupParents, readHierarchies } from '../../../sandbox/cgroups/parents.ts';
import type { SandboxImage } from '../../../sandbox/index.ts';
import { TierSandbox } from '../../../sandbox/run/tier.ts';
import { cpio } from '../../../sandbox/vm/cpio.ts';
import { bootFiles, fileCacheIn, type VmGuards, vmGuards, vmTier } from '../../../sandbox/vm/tier.ts';

/** The emulated tier, or the same with some guards weakened: the control run of an attack. */
export function emulatedWith(stateDir: string, weakened: Partial<VmGuards> = {}): TierSandbox {
  const { parents } = findCgroupParents(readHierarchies());
  const driver = vmTier('tcg', () => bootFiles(fileCacheIn(stateDir)), { ...vmGuards('tcg'), ...weakened });
  return new TierSandbox(driver, { parents, recordsDir: stateDir });
}

/** A guest that is the attacker's from its first instruction: `script` is all it does. */
export function guestOf(stateDir: string, script: string, weakened: Partial<VmGuards> = {}): TierSandbox {
  const { parents } = findCgroupParents(readHierarchies());
  const path = join(stateDir, 'hostile-initramfs');
  const init = `#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs dev /dev
${script}
`;
  const files = [
    ...['bin', 'dev'].map((name) => ({ name })),
    { name: 'bin/busybox', content: readFileSync('/usr/bin/busybox'), executable: true },
    { name: 'init', content: init, executable: true },
  ];
  writeFileSync(path, cpio(files), { mode: 0o644 });
  const makeFiles = async () => ({ ...(await bootFiles(fileCacheIn(stateDir))), initramfs: path });
  const driver = vmTier('tcg', makeFiles, { ...vmGuards('tcg'), ...weakened });
  return new TierSandbox(driver, { parents, recordsDir: stateDir });
}

/** For guests that never look at it. */
export const noImage = (stateDir: string): SandboxImage => {
  const path = join(stateDir, 'no-image');
  writeFileSync(path, Buffer.alloc(4096), { mode: 0o644 });
  return { cid: 'none', directory: async () => path, erofs: async () => path };
};
