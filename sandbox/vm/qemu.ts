import { driverFds } from '../run/driver.ts';
import type { SandboxJob } from '../types.ts';
import { diskSerials, ports } from './guest.ts';

/** QEMU's accelerator: hardware virtualisation (`kvm`) or emulation (`tcg`). */
export type Accelerator = 'kvm' | 'tcg';

const MiB = 1024 * 1024;

/** Size of QEMU's cache of translated code, in MiB. */
const TRANSLATED_MIB = 128;

/** Memory of the guest kernel and initramfs: a fixed part, and a share of all memory (64 bytes of struct page per page). */
const GUEST_KERNEL_BYTES = 112 * MiB;
const GUEST_SHARE = 1 / 32;

/** Memory of QEMU besides the guest's: libraries, firmware, devices. Measured: 40 to 60 MiB. */
const QEMU_BYTES = 80 * MiB;

/** Memory of the guest in bytes: the job's and the kernel's. */
function guestMemoryBytes({ memoryBytes }: { memoryBytes: number }): number {
  return Math.ceil((memoryBytes * (1 + GUEST_SHARE) + GUEST_KERNEL_BYTES) / MiB) * MiB;
}

/** Memory limit of QEMU on the host, in bytes. */
export function vmMemoryBytes(limits: { memoryBytes: number }): number {
  return guestMemoryBytes(limits) + QEMU_BYTES + TRANSLATED_MIB * MiB;
}

/** Paths of the virtual machine's files inside of QEMU's sandbox. */
export const qemuPaths = {
  kernel: '/vm/kernel',
  initramfs: '/vm/initramfs',
  image: '/vm/image',
  disk: '/vm/disk',
} as const;

/**
 * Machine type, versioned so that a build sees the same hardware with every QEMU from 8.2 (2023) on. Devices that the guest does
 * not need are off, to reduce the attack surface.
 */
const machineType = 'pc-q35-8.2,usb=off,vmport=off,smm=off,sata=off,smbus=off,i8042=off,dump-guest-core=off';

/** Processor model: supported by all x86-64 processors since 2012 and by emulation. */
const processorModel = 'Nehalem-v1,+rdrand';

/** Kernel command line. Quiet, because each console character costs a VM exit; the rest skips 0.5 s of calibration and tests. */
const kernelParameters = [
  ...['console=ttyS0', 'quiet', 'loglevel=1', 'panic=-1', 'oops=panic', 'nosoftlockup', 'nowatchdog'],
  ...['mitigations=off', 'tsc=reliable', 'no_timer_check', 'cryptomgr.notests', 'audit=0'],
  'random.trust_cpu=on',
];

/** Network device without an option ROM. */
const networkDevice = 'virtio-net-pci,netdev=net,romfile=';

/** Arguments of QEMU. It inherits its streams as sockets and opens no files but those in `qemuPaths`. */
export function qemuArguments(
  { limits, network, variation }: Pick<SandboxJob, 'limits' | 'network' | 'variation'>,
  accelerator: Accelerator,
  { jobFd, onDisk }: { jobFd: number; onDisk: boolean },
): string[] {
  const processors = variation?.processors ?? Math.ceil(limits.cpus);
  const descriptors = { input: 0, log: 1, ...driverFds, job: jobFd };
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ...['-machine', machineType],
    ...['-accel', accelerator === 'kvm' ? 'kvm' : `tcg,thread=multi,tb-size=${TRANSLATED_MIB}`],
    ...['-cpu', processorModel, '-smp', String(processors)],
    ...['-m', `size=${guestMemoryBytes(limits) / MiB}M`],
    // The current time, as in every tier: certificates would be invalid at another (ADR 0019).
    ...['-rtc', 'base=utc'],
    ...['-kernel', qemuPaths.kernel, '-initrd', qemuPaths.initramfs, '-append', kernelParameters.join(' ')],
    // The first device, so that its ports are named /dev/vport0p*.
    ...['-device', 'virtio-serial-pci'],
    ...['-drive', `if=none,id=image,format=raw,read-only=on,file.locking=off,file=${qemuPaths.image}`],
    ...['-device', `virtio-blk-pci,drive=image,serial=${diskSerials.image}`],
    // The drive is removed after the build, so flushes of the guest are ignored.
    ...(onDisk
      ? [
          ...['-drive', `if=none,id=disk,format=raw,cache=unsafe,file.locking=off,file=${qemuPaths.disk}`],
          ...['-device', `virtio-blk-pci,drive=disk,serial=${diskSerials.build}`],
        ]
      : []),
    ...Object.entries(ports).flatMap(([name, port]) => [
      ...['-chardev', `socket,id=port${port},fd=${descriptors[name as keyof typeof ports]}`],
      ...['-device', `virtserialport,chardev=port${port},nr=${port}`],
    ]),
    // QEMU then runs in a network namespace that holds the proxy only.
    ...(network === undefined ? [] : ['-netdev', 'user,id=net,ipv6=off', '-device', networkDevice]),
    ...['-chardev', 'socket,id=console,fd=2', '-serial', 'chardev:console'],
  ];
}
