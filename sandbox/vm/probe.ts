import { statSync } from 'node:fs';
import { sandboxLimits } from '../limits.ts';
import { toolChecks } from '../probe/host-checks.ts';
import type { TierProbe } from '../probe/tier.ts';
import type { ProbeCheck } from '../types.ts';
import { versionChecks } from '../versions/checks.ts';
import { findKernel, kernelFolders, kernelPackage } from './kernel.ts';
import { probeImage } from './probe-image.ts';
import type { Accelerator } from './qemu.ts';
import { bootFiles, fileCacheIn, qemuName, vmTier } from './tier.ts';

/** Programs that these tiers run in addition, and their Debian packages. */
const tools = [
  { name: qemuName, package: 'qemu-system-x86' },
  { name: 'busybox', package: 'busybox-static' },
  { name: 'mkfs.erofs', package: 'erofs-utils' },
  { name: 'ldd', package: 'libc-bin' },
];

/** The probe of the virtual machine tiers. */
export function vmProbe(accelerator: Accelerator, stateDir: string): TierProbe {
  const cache = fileCacheIn(stateDir);
  return {
    backend: vmTier(accelerator, () => bootFiles(cache)),
    lookAround: async () => [
      architectureCheck(),
      ...(accelerator === 'kvm' ? [deviceCheck()] : []),
      ...toolChecks(tools),
      ...(await versionChecks(['kernel', 'bubblewrap', 'qemu'])),
      kernelCheck(),
    ],
    probeImage: async (signal) => probeImage(cache, signal),
    ...(accelerator === 'kvm' ? {} : { secondsMax: sandboxLimits.emulatedProbeSecondsMax }),
  };
}

/** The pinned machine type exists for x86-64 only. */
export function architectureCheck(arch = process.arch): ProbeCheck {
  const ok = arch === 'x64';
  return { name: 'processor', ok, found: arch, ...(ok ? {} : { fix: 'use the tier gvisor' }) };
}

/** Checks whether QEMU's account may use /dev/kvm. Whether it works is checked by running a job. */
export function deviceCheck(name = '/dev/kvm'): ProbeCheck {
  try {
    const { mode, gid } = statSync(name);
    const open = (mode & 0o006) === 0o006;
    const ours =
      (mode & 0o060) === 0o060 && (process.getuid?.() === 0 || process.getgroups?.().includes(gid));
    if (open || ours) return { name, ok: true, found: 'usable' };
    const permissions = (mode & 0o777).toString(8);
    return {
      name,
      ok: false,
      found: `mode ${permissions}, which denies access to QEMU's account`,
      fix: deviceFix,
    };
  } catch {
    const fix = "enable virtualisation in the host's firmware, or use the tier gvisor";
    return { name, ok: false, found: 'missing', fix };
  }
}

const deviceFix = 'groupadd -f kvm && chgrp kvm /dev/kvm && chmod 660 /dev/kvm && usermod -aG kvm "$USER"';

export function kernelCheck(folders?: readonly string[]): ProbeCheck {
  const name = 'kernel for virtual machines';
  const found = findKernel(folders);
  if (found !== undefined) return { name, ok: true, found: found.release };
  const [folder = ''] = process.getuid?.() === 0 ? kernelFolders() : kernelFolders().slice(1);
  return { name, ok: false, found: `none in ${kernelFolders().join(' or ')}`, fix: kernelFix(folder) };
}

/** Command that downloads and unpacks the package. It is not installed, which would change the host's boot loader. */
function kernelFix(folder: string): string {
  const depends = `apt-cache depends ${kernelPackage} | sed -n 's/.*Depends: \\(linux-image-[0-9].*\\)/\\1/p'`;
  return `(cd "$(mktemp -d)" && apt-get download $(${depends}) && mkdir -p ${folder} && dpkg-deb -x *.deb ${folder})`;
}
