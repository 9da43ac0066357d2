import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Arch, Said } from './cells.ts';
import { type Images, serials } from './images.ts';

const MiB = 1024 * 1024;
const memoryBytes = 3072 * MiB;

/** The machine of each processor. */
const machines: Record<
  Arch,
  { program: string; words: readonly string[]; console: string; more: readonly string[] }
> = {
  amd64: {
    program: 'qemu-system-x86_64',
    words: ['-machine', 'q35,usb=off,vmport=off', '-cpu', 'Nehalem-v1,+rdrand'],
    console: 'ttyS0',
    more: ['tsc=reliable', 'no_timer_check'],
  },
  arm64: {
    program: 'qemu-system-aarch64',
    words: ['-machine', 'virt', '-cpu', 'cortex-a72'],
    console: 'ttyAMA0',
    more: [],
  },
};

const parameters = [
  'panic=-1',
  'oops=panic',
  'loglevel=4',
  'mitigations=off',
  'cryptomgr.notests',
  'audit=0',
  'random.trust_cpu=on',
];

/** How a guest ended: by itself, or because its time was over. */
export type GuestEnd = 'itself' | 'time' | 'stopped';

export interface GuestOptions {
  readonly images: Images;
  readonly arch: Arch;
  /** File that the console of the guest is written to. */
  readonly console: string;
  readonly ms: number;
  readonly signal: AbortSignal;
  onSaid(said: Said): void;
}

/**
 * Boots a guest and returns when it has ended. Its clock passes with the instructions it executes, two nanoseconds each
 * (-icount), so that the times of its tests do not depend on how busy this machine is. One thread executes all of them.
 */
export async function runGuest({
  images,
  arch,
  console,
  ms,
  signal,
  onSaid,
}: GuestOptions): Promise<GuestEnd> {
  const machine = machines[arch];
  const drive = (name: keyof typeof serials, file: string) => [
    // Writes of the guest go to a file that QEMU has removed already.
    ...['-drive', `if=none,id=${name},format=raw,cache=unsafe,snapshot=on,file=${file}`],
    ...['-device', `virtio-blk-pci,drive=${name},serial=${serials[name]}`],
  ];
  const words = [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', ...machine.words],
    ...['-accel', 'tcg,thread=single', '-icount', 'shift=1', '-smp', '2', '-m', `${memoryBytes / MiB}M`],
    ...['-rtc', 'base=utc', '-kernel', images.kernel, '-initrd', images.initramfs],
    ...['-append', [`console=${machine.console}`, ...machine.more, ...parameters].join(' ')],
    ...[
      '-device',
      'virtio-serial-pci',
      '-chardev',
      'socket,id=said,fd=3',
      '-device',
      'virtserialport,chardev=said,nr=1',
    ],
    ...drive('root', images.root),
    ...drive('project', images.project),
    ...[
      '-drive',
      'if=none,id=spare,driver=null-co,size=64M',
      '-device',
      'virtio-blk-pci,drive=spare,serial=spare',
    ],
    ...['-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console'],
  ];
  const qemu = spawn(machine.program, words, { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve, reject) => {
    qemu.once('error', reject).once('close', resolve);
  });
  const log = createWriteStream(console);
  for (const stream of [qemu.stdout, qemu.stderr]) stream?.pipe(log, { end: false });
  createInterface({ input: qemu.stdio[3] as Readable }).on('line', (line) => {
    const said = parse(line);
    if (said !== undefined) onSaid(said);
  });
  let end: GuestEnd = 'itself';
  const stop = (why: GuestEnd) => {
    end = why;
    qemu.kill('SIGKILL');
  };
  const timer = setTimeout(() => stop('time'), ms);
  const onAbort = () => stop('stopped');
  signal.addEventListener('abort', onAbort);
  try {
    await ended;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    log.end();
  }
  return end;
}

/** A line of the port; undefined for what is none of the reporter's or guest.sh's. */
function parse(line: string): Said | undefined {
  try {
    return JSON.parse(line) as Said;
  } catch {
    return undefined;
  }
}
