import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { QuorateError } from '../../src/protocol/base/errors.ts';
import type { Unpinned } from '../../src/protocol/documents/statement.ts';
import { listOptional } from '../files.ts';
import { requireTool } from '../host.ts';
import { sandboxLimits } from '../limits.ts';
import type { CpioEntry } from './cpio.ts';

/** A kernel of a Debian package: paths of its image and of its folder of modules. */
export interface GuestKernel {
  /** For example `6.12.57+deb13-cloud-amd64`. */
  readonly release: string;
  readonly image: string;
  readonly modules: string;
}

/** Metapackage that depends on the newest cloud kernel. */
export const kernelPackage = 'linux-image-cloud-amd64';

/** Folders that the package is unpacked in. It is not installed, which would change the host's boot loader. */
export const kernelFolders = (): string[] => ['/var/lib/quorate/kernel', join(homedir(), '.quorate/kernel')];

/** Modules in loading order: each depends on earlier ones only. */
const wanted = {
  always: ['lib/libcrc32c', 'fs/erofs/erofs', 'fs/overlayfs/overlay', 'drivers/block/virtio_blk'],
  network: ['net/core/failover', 'drivers/net/net_failover', 'drivers/net/virtio_net'],
} as const;

const imageName = /^vmlinuz-(.+-cloud-amd64)$/;

/** The newest cloud kernel, unpacked or installed; undefined if there is none. */
export function findKernel(folders: readonly string[] = [...kernelFolders(), '/']): GuestKernel | undefined {
  const found = folders.flatMap((folder) => {
    const boot = join(folder, 'boot');
    return listOptional(boot).flatMap((name) => {
      const release = imageName.exec(name)?.[1];
      const modules = join(folder, 'usr/lib/modules', release ?? '');
      if (release === undefined || !existsSync(join(modules, 'kernel'))) return [];
      return [{ release, image: join(boot, name), modules }];
    });
  });
  return found.sort((a, b) => a.release.localeCompare(b.release, 'en', { numeric: true })).at(-1);
}

/** Offsets of header fields of a bzImage (Linux, Documentation/arch/x86/boot.rst). */
const header = {
  setupSectors: 0x1f1,
  magic: 0x202,
  version: 0x20e,
  payloadOffset: 0x248,
  payloadLength: 0x24c,
} as const;
const zstdMagic = 0xfd2fb528;

/** The version string of a bzImage: base of its offset, and its maximum length in bytes. */
const versionFrom = 0x200;
const versionBytesMax = 512;

/** Facts about the kernel for the receipt, by which others can obtain the same one. */
export function kernelFacts({ release }: Pick<GuestKernel, 'release'>, image: Uint8Array): Unpinned {
  const bytes = Buffer.from(image.buffer, image.byteOffset, image.byteLength);
  const at = bytes.length < header.version + 2 ? 0 : versionFrom + bytes.readUInt16LE(header.version);
  // `6.12.57+deb13-cloud-amd64 (…) #1 SMP … Debian 6.12.57-1 (2025-11-05)`: what `uname -v` shows.
  const said = bytes.toString('latin1', at, at + versionBytesMax).split('\0')[0] ?? '';
  const kernelPackage = / Debian ([A-Za-z0-9.+~:-]{1,100}) /.exec(said)?.[1];
  return {
    kernel: release.slice(0, 100),
    ...(kernelPackage === undefined ? {} : { kernelPackage }),
    kernelSha256: createHash('sha256').update(bytes).digest('hex'),
  };
}

/** The ELF kernel of a bzImage: emulated, its decompressor would take seconds. @throws SANDBOX_FAILED */
export function unpackKernel(image: Uint8Array, path: string): Buffer {
  const bytes = Buffer.from(image.buffer, image.byteOffset, image.byteLength);
  const hint = "use the kernel of Debian's cloud image: quorate doctor names the command that installs it";
  const refuse = (what: string, cause?: unknown): QuorateError =>
    new QuorateError('SANDBOX_FAILED', `${path} ${what}`, { hint, cause });
  if (bytes.length < 0x260 || bytes.toString('latin1', header.magic, header.magic + 4) !== 'HdrS')
    throw refuse('is not a Linux kernel for x86');
  const sectors = bytes.readUInt8(header.setupSectors) || 4;
  const start = (sectors + 1) * 512 + bytes.readUInt32LE(header.payloadOffset);
  // The last four bytes of the payload hold the size of the uncompressed kernel.
  const end = start + bytes.readUInt32LE(header.payloadLength) - 4;
  if (end + 4 > bytes.length || end - start < 4) throw refuse('is truncated');
  if (bytes.readUInt32LE(start) !== zstdMagic) throw refuse('is not compressed with zstd');
  try {
    const maxOutputLength = sandboxLimits.guestKernelBytesMax;
    const kernel = zstdDecompressSync(bytes.subarray(start, end), { maxOutputLength });
    if (kernel.toString('latin1', 0, 4) !== '\x7fELF') throw new Error('the payload is not an ELF file');
    return kernel;
  } catch (cause) {
    throw refuse('cannot be unpacked', cause);
  }
}

/** The modules for the guest, decompressed on the host, where it is faster. */
export function kernelModules({ modules }: GuestKernel): CpioEntry[] {
  return Object.entries(wanted).flatMap(([when, names]) =>
    names.flatMap((module, index) => {
      const content = moduleFile(join(modules, 'kernel', `${module}.ko`));
      // Built in or missing: if the guest needs it, its boot fails with a message.
      if (content === undefined) return [];
      return [{ name: `modules/${when}/${index}-${basename(module)}.ko`, content }];
    }),
  );
}

/** A module by its path without the ending of compression; undefined if it is not there. */
export function moduleFile(path: string): Buffer | undefined {
  if (existsSync(path)) return readFileSync(path);
  if (!existsSync(`${path}.xz`)) return undefined;
  return execFileSync(requireTool('busybox'), ['unxz', '-c', `${path}.xz`], {
    maxBuffer: sandboxLimits.guestKernelBytesMax,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}
