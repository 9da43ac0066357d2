import { limitSettings } from '../cgroups/settings.ts';
import { jobUid } from '../host.ts';
import { sandboxLimits } from '../limits.ts';
import { type BuildGuards, diskFileBytes, diskShares } from '../run/guards.ts';
import {
  buildProcessLimits,
  gvisorProcessLimits,
  type ProcessBounds,
  type ProcessLimits,
} from '../run/process-limits.ts';
import { type OciSeccomp, ociSeccomp } from '../seccomp/oci.ts';
import type { Arch } from '../seccomp/syscalls.ts';
import type { ProfileValues, SandboxLimits } from '../types.ts';
import type { OciMount, OciProcess } from './oci.ts';

/**
 * The guards of the gVisor tier, one function each. The first five confine gVisor itself, in case a build escapes from it;
 * the others apply inside. Production always uses `guards`; the attack tests weaken one at a time. No option can change them.
 */
export interface GvisorGuards extends BuildGuards {
  /** bwrap arguments: the namespaces of gVisor's own processes, other than network. */
  readonly namespaces: () => string[];
  /** bwrap arguments: the capabilities of gVisor's own processes. */
  readonly privileges: () => string[];
  /** bwrap arguments: host paths that gVisor can reach, besides the build's read-only root. */
  readonly files: () => string[];
  /** The uid on the host that gVisor runs under; undefined for the worker's own. */
  readonly account: (slot: number) => number | undefined;
  /** bwrap arguments, and the network mode of runsc. Not used for a job with a network, which has a namespace already. */
  readonly network: () => { around: string[]; inside: 'none' | 'host' };
  /** Account and capabilities of the driver. They bound those of the steps. */
  readonly driver: () => Pick<OciProcess, 'user' | 'capabilities' | 'noNewPrivileges'>;
  /** Command prefix of each step and of the driver's own commands on the build's files. */
  readonly stepPrefix: (pins: ProfileValues) => string[];
  readonly seccomp: (arch: Arch) => OciSeccomp | undefined;
  /** Resource limits of the build's processes, their number among them. */
  readonly processes: (limits: SandboxLimits, bounds: ProcessBounds) => OciProcess['rlimits'];
  /** Resource limits of gVisor's own processes. */
  readonly processLimits: ProcessLimits;
  /** The writable file systems. `store`: folder in gVisor's own root for a file with the content of /build; absent: it is in memory. */
  readonly disk: (limits: SandboxLimits, pins: ProfileValues, store?: string) => OciMount[];
}

/**
 * gVisor does not protect the first process from processes of the same account, so the driver runs as uid 0, which is root
 * inside of gVisor only. It needs to switch to the steps' account (SETUID, SETGID, SETPCAP), to kill their processes (KILL), to
 * read their /proc (SYS_PTRACE), and to enter folders that they made unreadable (DAC_READ_SEARCH).
 */
const driverCapabilities = ['SETUID', 'SETGID', 'SETPCAP', 'KILL', 'SYS_PTRACE', 'DAC_READ_SEARCH'].map(
  (name) => `CAP_${name}`,
);

export const guards: GvisorGuards = {
  namespaces: () => [
    ...['--unshare-user', '--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try'],
    ...['--as-pid-1', '--new-session', '--die-with-parent'],
  ],
  privileges: () => ['--cap-drop', 'ALL'],
  files: () => [],
  account: (slot) => jobUid(slot),
  network: () => ({ around: ['--unshare-net'], inside: 'none' }),
  driver: () => ({
    user: { uid: 0, gid: 0 },
    capabilities: {
      bounding: driverCapabilities,
      effective: driverCapabilities,
      permitted: driverCapabilities,
      inheritable: [],
    },
    noNewPrivileges: true,
  }),
  stepPrefix: ({ uid }) => [
    ...['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--inh-caps=-all'],
    ...['--bounding-set=-all', '--'],
  ],
  seccomp: ociSeccomp,
  processes: ({ pids }, bounds) => {
    // As in the namespace tier, three processes of the limit are the sandbox's own.
    const own = Math.max(1, pids - 3);
    return [
      { type: 'RLIMIT_NPROC', hard: own, soft: own },
      ...Object.entries(buildProcessLimits(bounds)).map(([name, value]) => {
        const [soft = 0, hard = 0] = value.split(':').map(Number);
        return { type: `RLIMIT_${name.toUpperCase()}`, hard, soft };
      }),
    ];
  },
  processLimits: gvisorProcessLimits,
  disk: (limits, { uid }, store) => {
    const { shm, build } = diskShares(limits);
    const options = [`size=${build}`, 'mode=0755', `uid=${uid}`, `gid=${uid}`];
    return [
      // With the annotations of `storedAnnotations`, gVisor mounts a tmpfs whose content it keeps in a file below the source.
      store === undefined
        ? tmpfs('/build', options)
        : { destination: '/build', type: 'bind', source: store, options: ['rw', ...options] },
      tmpfs('/dev/shm', [`size=${shm}`, 'mode=1777']),
    ];
  },
  cgroup: (controller, version, limits) =>
    limitSettings(controller, version, {
      ...limits,
      memoryBytes: limits.memoryBytes + sandboxLimits.gvisorMemoryBytes,
      // gVisor runs a host process with one thread per processor for each process of the build.
      pids: sandboxLimits.gvisorThreads + limits.pids * (1 + Math.ceil(limits.cpus)),
    }),
  deadlineMs: ({ seconds }) => seconds * 1000,
  // The file has holes, which gVisor fills later: it must never find its file system full.
  diskFileBytes: (limits) => diskFileBytes(limits, sandboxLimits.gvisorStoreShare),
  outputBytesMax: ({ diskBytes }) => diskBytes + sandboxLimits.outputOverheadBytes,
};

/** Annotations by which runsc stores the content of the mount of `disk` in a file (runsc/boot/mount_hints.go). */
export function storedAnnotations({ source = '', options = [] }: OciMount): Record<string, string> {
  const of = 'dev.gvisor.spec.mount.build';
  return {
    [`${of}.source`]: source,
    [`${of}.type`]: 'tmpfs',
    [`${of}.share`]: 'container',
    [`${of}.options`]: options.join(','),
  };
}

function tmpfs(destination: string, options: string[]): OciMount {
  return { destination, type: 'tmpfs', source: 'tmpfs', options };
}
