import { statSync } from 'node:fs';
import { requireTool } from '../host.ts';
import { systemPaths } from '../namespace/arguments.ts';
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
 * Wraps QEMU in a bwrap sandbox, so that a guest that escapes from the virtual machine has no more access than a build of the
 * namespace tier: no network, no files but the host's system and those of the virtual machine, no capabilities, and the
 * system call filter. For root, bwrap can bind folders that only root can enter, and switches to an unused account.
 */
export function sandboxedQemu(
  files: VmFiles,
  accelerator: Accelerator,
  { uid, filterFd, hasNetwork }: { uid: number | undefined; filterFd: number; hasNetwork: boolean },
  command: readonly string[],
): string[] {
  const account =
    uid === undefined
      ? ['--unshare-user', '--disable-userns', '--uid', '1000', '--gid', '1000', '--cap-drop', 'ALL']
      : [
          '--cap-drop',
          'ALL',
          ...['SETUID', 'SETGID', 'SETPCAP'].flatMap((name) => ['--cap-add', `CAP_${name}`]),
        ];
  const drop =
    uid === undefined
      ? []
      : [
          ...['setpriv', `--reuid=${uid}`, `--regid=${uid}`, ...groupsFor(accelerator), '--no-new-privs'],
          ...['--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all', '--'],
        ];
  return [
    requireTool('bwrap'),
    ...account,
    ...['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try'],
    // A job with a network is in a namespace of its own already, which holds the proxy only (startInCgroups).
    ...(hasNetwork ? [] : ['--unshare-net']),
    ...['--hostname', 'quorate', '--new-session', '--die-with-parent', '--clearenv'],
    ...['--setenv', 'PATH', '/usr/bin:/bin:/usr/sbin:/sbin'],
    ...systemPaths(),
    ...['--perms', '0755', '--dir', '/vm'],
    ...(['kernel', 'initramfs', 'image'] as const).flatMap((name) => [
      '--ro-bind',
      files[name],
      qemuPaths[name],
    ]),
    ...(files.disk === undefined ? [] : ['--bind', files.disk, qemuPaths.disk]),
    ...['--proc', '/proc', '--dev', '/dev'],
    ...(accelerator === 'kvm' ? ['--dev-bind', KVM, KVM] : []),
    ...['--remount-ro', '/dev', '--remount-ro', '/', '--chdir', '/', '--seccomp', String(filterFd), '--'],
    ...drop,
    ...command,
  ];
}

/** setpriv arguments: the group of /dev/kvm as the only one, or none. */
function groupsFor(accelerator: Accelerator): string[] {
  if (accelerator !== 'kvm') return ['--clear-groups'];
  try {
    return [`--groups=${statSync(KVM).gid}`];
  } catch {
    return ['--clear-groups'];
  }
}
