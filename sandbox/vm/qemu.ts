import type { SandboxJob } from '../types.ts';
import { diskSerial, ports } from './guest.ts';

/** Whether the processor helps (`kvm`) or QEMU does all itself (`tcg`). */
export type Accelerator = 'kvm' | 'tcg';

const MiB = 1024 * 1024;

/** What QEMU keeps of code it has translated; more is thrown away and done again. */
const TRANSLATED_MIB = 128;

/** Guest kernel with its page tables and initial file system, and what they grow with: a page's record is 64 bytes. */
const GUEST_KERNEL_BYTES = 112 * MiB;
const GUEST_SHARE = 1 / 32;

/** QEMU's own besides the guest's memory: its libraries, firmware and devices, measured at 40 to 60 MiB. */
const QEMU_BYTES = 80 * MiB;

/** The guest's memory: the job's and its kernel's. */
function guestMemoryBytes({ memoryBytes }: { memoryBytes: number }): number {
  return Math.ceil((memoryBytes * (1 + GUEST_SHARE) + GUEST_KERNEL_BYTES) / MiB) * MiB;
}

/** What all of a machine may use on the host. */
export function vmMemoryBytes(limits: { memoryBytes: number }): number {
  return guestMemoryBytes(limits) + QEMU_BYTES + TRANSLATED_MIB * MiB;
}

/** Paths inside of QEMU's own sandbox. */
export const qemuPaths = { kernel: '/vm/kernel', initramfs: '/vm/initramfs', image: '/vm/image' } as const;

/**
 * Pinned, so that a build sees the same machine everywhere: 8.2 is of 2023. Whatever a guest could misuse and needs not is
 * left out.
 */
const machineType = 'pc-q35-8.2,usb=off,vmport=off,smm=off,sata=off,smbus=off,i8042=off,dump-guest-core=off';

/** What every processor since 2012 can do, and what the emulation can. */
const processorModel = 'Nehalem-v1,+rdrand';

/** Quiet, since each character is one exit of the machine; the rest saves half a second of measuring and self-tests. */
const kernelWords = [
  ...['console=ttyS0', 'quiet', 'loglevel=1', 'panic=-1', 'oops=panic', 'nosoftlockup', 'nowatchdog'],
  ...[
    'mitigations=off',
    'tsc=reliable',
    'no_timer_check',
    'cryptomgr.notests',
    'audit=0',
    'random.trust_cpu=on',
  ],
];

/** Without a program to boot from. */
const networkDevice = 'virtio-net-pci,netdev=net,romfile=';

/** QEMU's arguments. It gets its streams as sockets it inherits, by number, and opens no file but the three it is shown. */
export function qemuArguments(
  { limits, network, variation }: Pick<SandboxJob, 'limits' | 'network' | 'variation'>,
  accelerator: Accelerator,
  jobFd: number,
): string[] {
  const processors = variation?.processors ?? Math.ceil(limits.cpus);
  const streams = [
    { port: ports.input, fd: 0 },
    { port: ports.log, fd: 1 },
    { port: ports.status, fd: 3 },
    { port: ports.outputs, fd: 4 },
    { port: ports.job, fd: jobFd },
  ];
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ...['-machine', machineType],
    ...['-accel', accelerator === 'kvm' ? 'kvm' : `tcg,thread=multi,tb-size=${TRANSLATED_MIB}`],
    ...['-cpu', processorModel, '-smp', String(processors)],
    ...['-m', `size=${guestMemoryBytes(limits) / MiB}M`],
    // The time there is, as in every tier: certificates are valid at no other (ADR 0019).
    ...['-rtc', 'base=utc'],
    ...['-kernel', qemuPaths.kernel, '-initrd', qemuPaths.initramfs, '-append', kernelWords.join(' ')],
    // First, so that its ports have the names the guest looks for.
    ...['-device', 'virtio-serial-pci'],
    ...['-drive', `if=none,id=image,format=raw,read-only=on,file.locking=off,file=${qemuPaths.image}`],
    ...['-device', `virtio-blk-pci,drive=image,serial=${diskSerial}`],
    ...streams.flatMap(({ port, fd }) => [
      ...['-chardev', `socket,id=port${port},fd=${fd}`],
      ...['-device', `virtserialport,chardev=port${port},nr=${port}`],
    ]),
    // QEMU has a network of its own by then, in which the proxy is all there is.
    ...(network === undefined ? [] : ['-netdev', 'user,id=net,ipv6=off', '-device', networkDevice]),
    ...['-chardev', 'socket,id=console,fd=2', '-serial', 'chardev:console'],
  ];
}
