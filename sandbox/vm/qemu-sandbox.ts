import { statSync } from 'node:fs';
import { requireTool } from '../host.ts';
import { accountFlags, dropTo, systemPaths } from '../namespace/arguments.ts';
import { type Accelerator, qemuPaths } from './qemu.ts';

/** Paths on the host of the files of a virtual machine. */
export interface VmFiles {
  readonly kernel: string;
  readonly initramfs: string;
  readonly image: string;
  /** The disk of the build, the only one that QEMU may write; absent where it is in memory. */
  readonly disk: string | undefined;
}

const KVM = '/dev/kvm';

/**
 * Wraps QEMU in bwrap: a guest that escapes has no more than a build of the namespace tier: no network, no files but those of the
 * system and the machine, no capabilities, the system call filter.
 */
export function sandboxedQemu(
  files: VmFiles,
  accelerator: Accelerator,
  { uid, filterFd, hasNetwork }: { uid: number | undefined; filterFd: number; hasNetwork: boolean },
  command: readonly string[],
): string[] {
  return [
    ...[requireTool('bwrap'), '--cap-drop', 'ALL', ...accountFlags(uid)],
    ...['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try'],
    // A job with a network is in a namespace of its own already, which holds the proxy only (startInCgroups).
    ...(hasNetwork ? [] : ['--unshare-net']),
    ...['--hostname', 'quorate', '--new-session', '--die-with-parent', '--clearenv'],
    ...['--setenv', 'PATH', '/usr/bin:/bin:/usr/sbin:/sbin'],
    ...systemPaths(),
    ...['--perms', '0755', '--dir', '/vm'],
    ...['--ro-bind', files.kernel, qemuPaths.kernel, '--ro-bind', files.initramfs, qemuPaths.initramfs],
    ...['--ro-bind', files.image, qemuPaths.image],
    ...(files.disk === undefined ? [] : ['--bind', files.disk, qemuPaths.disk]),
    ...['--proc', '/proc', '--dev', '/dev'],
    ...(accelerator === 'kvm' ? ['--dev-bind', KVM, KVM] : []),
    ...['--remount-ro', '/dev', '--remount-ro', '/', '--chdir', '/', '--seccomp', String(filterFd), '--'],
    ...dropTo(uid, groupsFor(accelerator)),
    ...command,
  ];
}

/** The option of setpriv: the group of /dev/kvm as the only one, or none. */
function groupsFor(accelerator: Accelerator): string {
  const device = accelerator === 'kvm' ? statSync(KVM, { throwIfNoEntry: false }) : undefined;
  return device === undefined ? '--clear-groups' : `--groups=${device.gid}`;
}
