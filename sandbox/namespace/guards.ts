import { limitSettings } from '../cgroups/settings.ts';
import { jobUid } from '../host.ts';
import { sandboxLimits } from '../limits.ts';
import { type BuildGuards, diskFileBytes, diskShares } from '../run/guards.ts';
import { buildProcessLimits, type ProcessLimits } from '../run/process-limits.ts';
import { profileValues } from '../run/profile.ts';
import { seccompFilter } from '../seccomp/policy.ts';
import type { Arch } from '../seccomp/syscalls.ts';
import type { ProfileValues, SandboxLimits } from '../types.ts';

/**
 * The guards of the namespace tier, one function each. Production always uses `guards`; each attack test weakens one of them
 * to show that the attack then succeeds. No option can change them.
 */
export interface Guards extends BuildGuards {
  /** bwrap arguments: the namespaces other than network. */
  readonly namespaces: (pins?: ProfileValues) => string[];
  /** Not used for a job with a network: bwrap then runs in the job's network namespace already (startInCgroups). */
  readonly network: () => string[];
  readonly privileges: () => string[];
  /** Command prefix of each step: drops the capability that the driver keeps. */
  readonly stepPrefix: () => string[];
  /** bwrap arguments: the writable file systems. `place`: where that of the build's folder is mounted; absent: it is made in memory. */
  readonly disk: (limits: SandboxLimits, place?: string) => string[];
  /** bwrap arguments: further host paths, read-only. */
  readonly files: () => string[];
  readonly seccomp: (arch: Arch) => Uint8Array | undefined;
  /** The uid on the host that a job runs under; undefined for the worker's own. */
  readonly account: (slot: number) => number | undefined;
  readonly processLimits: ProcessLimits;
  /** Paths of /proc that are hidden from the build. */
  readonly hidden: () => readonly string[];
}

/** Files of /proc that describe the host: its devices, keys and current activity. */
const hiddenProc =
  'acpi asound bus cmdline diskstats driver fs interrupts irq keys key-users modules partitions'
    .concat(' scsi softirqs swaps timer_list tty')
    .split(' ')
    .map((name) => `/proc/${name}`);

export const guards: Guards = {
  namespaces: ({ hostName, uid } = profileValues) => [
    ...['--unshare-user', '--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try'],
    ...['--disable-userns', '--uid', String(uid), '--gid', String(uid), '--hostname', hostName],
    // The driver is process 1 of the namespace: no process inside can kill it, and when it ends, all others do.
    ...['--as-pid-1', '--new-session', '--die-with-parent'],
  ],
  network: () => ['--unshare-net'],
  // The driver keeps one capability in its own user namespace. A step has none, and the kernel lets a process trace
  // another only if it has at least the same capabilities (ptrace(2)), so a step cannot read or change the driver.
  privileges: () => ['--cap-drop', 'ALL', '--cap-add', 'CAP_SETPCAP'],
  stepPrefix: () => ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all', '--'],
  disk: (limits, place) => {
    const { shm, build } = diskShares(limits);
    const inMemory = ['--size', String(build), '--perms', '0755', '--tmpfs', '/build'];
    return [
      ...['--size', String(shm), '--perms', '1777', '--tmpfs', '/dev/shm', '--remount-ro', '/dev'],
      ...(place === undefined ? inMemory : ['--bind', place, '/build']),
    ];
  },
  diskFileBytes,
  files: () => [],
  seccomp: seccompFilter,
  cgroup: limitSettings,
  deadlineMs: ({ seconds }) => seconds * 1000,
  outputBytesMax: ({ diskBytes }) => diskBytes + sandboxLimits.outputOverheadBytes,
  account: (slot) => jobUid(slot),
  processLimits: buildProcessLimits,
  hidden: () => hiddenProc,
};
