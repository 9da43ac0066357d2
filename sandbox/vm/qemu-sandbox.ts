import { statSync } from 'node:fs';
import { requireTool } from '../host.ts';
import { systemPaths } from '../namespace/arguments.ts';
import { type Accelerator, qemuPaths } from './qemu.ts';

/** Files on the host that the machine is shown. */
export interface VmFiles {
  readonly kernel: string;
  readonly initramfs: string;
  readonly image: string;
}

const KVM = '/dev/kvm';

/**
 * Words that put QEMU into a sandbox of its own, so that a guest which breaks out of the machine is no further than a
 * build of the namespace tier: no network, no files but the system's and the machine's three, no rights, one filter.
 * A root's bwrap can bind folders that are root's alone, and changes to an account nobody has before QEMU runs.
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
    // Otherwise it is in one of its own already, with nothing in it but the way to the proxy (startInCgroups).
    ...(hasNetwork ? [] : ['--unshare-net']),
    ...['--hostname', 'quorate', '--new-session', '--die-with-parent', '--clearenv'],
    ...['--setenv', 'PATH', '/usr/bin:/bin:/usr/sbin:/sbin'],
    ...systemPaths(),
    ...['--perms', '0755', '--dir', '/vm'],
    ...Object.entries(qemuPaths).flatMap(([name, path]) => ['--ro-bind', files[name as keyof VmFiles], path]),
    ...['--proc', '/proc', '--dev', '/dev'],
    ...(accelerator === 'kvm' ? ['--dev-bind', KVM, KVM] : []),
    ...['--remount-ro', '/dev', '--remount-ro', '/', '--chdir', '/', '--seccomp', String(filterFd), '--'],
    ...drop,
    ...command,
  ];
}

/** The one group that may use the device, where there is such a device. */
function groupsFor(accelerator: Accelerator): string[] {
  if (accelerator !== 'kvm') return ['--clear-groups'];
  try {
    return [`--groups=${statSync(KVM).gid}`];
  } catch {
    return ['--clear-groups'];
  }
}
