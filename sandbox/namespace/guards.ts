import { diskShares } from '../build/disk.ts';
import type { BuildGuards } from '../build/guards.ts';
import { buildProcessLimits, type ProcessLimits } from '../build/process-limits.ts';
import { profileValues } from '../build/profile.ts';
import { limitSettings } from '../cgroups/settings.ts';
import { jobUid } from '../host.ts';
import { sandboxLimits } from '../limits.ts';
import { seccompFilter } from '../seccomp/policy.ts';
import type { Arch } from '../seccomp/syscalls.ts';
import type { ProfileValues, SandboxLimits } from '../types.ts';

/**
 * What stands between a build and the machine, one function per guard. The product always uses `guards`; the attack
 * tests compose a set with one of them weakened, to show that the attack is real. Not reachable from any option.
 */
export interface Guards extends BuildGuards {
  /** bwrap arguments: the namespaces other than network. */
  readonly namespaces: (pins?: ProfileValues) => string[];
  /** Not for a job that has a way out: its tier starts in a network namespace of its own already (startInCgroups). */
  readonly network: () => string[];
  readonly privileges: () => string[];
  /** Words before each step's command, which take from it what the driver keeps. */
  readonly stepPrefix: () => string[];
  /** bwrap arguments of the writable places. */
  readonly disk: (limits: SandboxLimits) => string[];
  /** Host paths shown read-only. */
  readonly files: () => string[];
  readonly seccomp: (arch: Arch) => Uint8Array | undefined;
  /** The host's uid a job runs under; undefined is the worker's own. */
  readonly account: (slot: number) => number | undefined;
  readonly processLimits: ProcessLimits;
  /** Paths of /proc that nobody inside can open. */
  readonly hidden: () => readonly string[];
}

/** What the kernel tells everybody of the machine, its devices, its owner's keys and of what happens on it just now. */
const hiddenProc = [
  'acpi',
  'asound',
  'bus',
  'cmdline',
  'diskstats',
  'driver',
  'fs',
  'interrupts',
  'irq',
  'keys',
]
  .concat(['key-users', 'modules', 'partitions', 'scsi', 'softirqs', 'swaps', 'timer_list', 'tty'])
  .map((name) => `/proc/${name}`);

export const guards: Guards = {
  namespaces: ({ hostName, uid } = profileValues) => [
    ...['--unshare-user', '--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try'],
    ...['--disable-userns', '--uid', String(uid), '--gid', String(uid), '--hostname', hostName],
    // Our driver is the first process: nothing inside can kill it, and with it everything ends.
    ...['--as-pid-1', '--new-session', '--die-with-parent'],
  ],
  network: () => ['--unshare-net'],
  // The driver keeps one capability, over its own user namespace only, so that a step (which has none) may not look
  // into it or write to its memory: the kernel allows that only to a process with at minimumText the same capabilities.
  privileges: () => ['--cap-drop', 'ALL', '--cap-add', 'CAP_SETPCAP'],
  stepPrefix: () => ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all', '--'],
  disk: (limits) => {
    const { shm, build } = diskShares(limits);
    return [
      ...['--size', String(shm), '--perms', '1777', '--tmpfs', '/dev/shm', '--remount-ro', '/dev'],
      ...['--size', String(build), '--perms', '0755', '--tmpfs', '/build'],
    ];
  },
  files: () => [],
  seccomp: seccompFilter,
  cgroup: limitSettings,
  deadlineMs: ({ seconds }) => seconds * 1000,
  outputBytesMax: ({ diskBytes }) => diskBytes + sandboxLimits.outputOverheadBytes,
  account: jobUid,
  processLimits: buildProcessLimits,
  hidden: () => hiddenProc,
};
