import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { requireTool } from '../host.ts';
import { sandboxLimits } from '../limits.ts';
import { toolChecks } from '../probe/host-checks.ts';
import type { TierProbe } from '../probe/tier.ts';
import type { ProbeCheck, SandboxImage } from '../types.ts';
import { versionChecks } from '../versions/checks.ts';
import { type FileCache, sha256Of } from './file-cache.ts';
import { withLibraries } from './host-programs.ts';
import { findKernel, kernelFolders, kernelPackage } from './kernel.ts';
import type { Accelerator } from './qemu.ts';
import { bootFiles, fileCacheIn, qemuName, vmTier } from './tier.ts';

/** Programs that the driver and the probe's jobs run. */
const programs =
  'cat cut date dd env grep head id ls rm setpriv sh sleep tail tar tr true uname unshare wc'.split(' ');

/** Top-level links of a merged /usr. */
const links = ['bin', 'sbin', 'lib', 'lib64'];

/** A small image made from the host's programs, so that a probe needs no image of a project. */
export function probeImage(cache: FileCache, signal: AbortSignal): SandboxImage {
  let made: Promise<string> | undefined;
  return {
    cid: 'probe',
    directory: () => Promise.reject(new Error('the image of the probe exists as EROFS only')),
    erofs: () => {
      made ??= make(cache, signal);
      return made;
    },
  };
}

async function make(cache: FileCache, signal: AbortSignal): Promise<string> {
  const files = withLibraries(programs).map(({ path, from }) => ({ path: inUsr(path), from }));
  const key = sha256Of(...files.flatMap(({ path, from }) => [path, readFileSync(from)]));
  return cache.file('probe', key, async (target) => {
    const tree = `${target}.tree`;
    try {
      for (const { path, from } of files) {
        mkdirSync(dirname(join(tree, path)), { recursive: true });
        copyFileSync(from, join(tree, path));
      }
      for (const name of links) {
        mkdirSync(join(tree, 'usr', name), { recursive: true });
        symlinkSync(`usr/${name}`, join(tree, name));
      }
      // Deterministic: no times, no owners, no random UUID.
      const options = ['-T0', '--all-root', '-x-1', '-U00000000-0000-0000-0000-000000000000', '--quiet'];
      await promisify(execFile)(requireTool('mkfs.erofs'), [...options, target, tree], { signal });
    } finally {
      await rm(tree, { recursive: true, force: true });
    }
  });
}

const inUsr = (path: string): string => (path.startsWith('/usr/') ? path : `/usr${path}`);

/** Programs that these tiers run in addition, and their Debian packages. */
const tools = [
  { name: qemuName, package: 'qemu-system-x86' },
  { name: 'busybox', package: 'busybox-static' },
  { name: 'mkfs.erofs', package: 'erofs-utils' },
  { name: 'ldd', package: 'libc-bin' },
];

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
    const found = `mode ${(mode & 0o777).toString(8)}, which denies access to QEMU's account`;
    return { name, ok: false, found, fix: deviceFix };
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
