import { diskShares } from '../build/disk.ts';
import type { BuildGuards } from '../build/guards.ts';
import { buildProcessLimits, gvisorProcessLimits, type ProcessLimits } from '../build/process-limits.ts';
import { limitSettings } from '../cgroups/settings.ts';
import { jobUid } from '../host.ts';
import { sandboxLimits } from '../limits.ts';
import { type OciSeccomp, ociSeccomp } from '../seccomp/oci.ts';
import type { Arch } from '../seccomp/syscalls.ts';
import type { ProfileValues, SandboxLimits } from '../types.ts';
import type { OciMount, OciProcess } from './oci.ts';

/**
 * What stands between a build and the machine, one function per guard: the first five are around gVisor and meet a build
 * only once it has broken out of it, the others are inside. The product always uses `guards`; the attack tests weaken
 * one at a time. Not reachable from any option.
 */
export interface GvisorGuards extends BuildGuards {
  /** bwrap arguments: the namespaces of gVisor's own processes, other than network. */
  readonly namespaces: () => string[];
  /** bwrap arguments: what gVisor's own processes may still do. */
  readonly privileges: () => string[];
  /** bwrap arguments: host paths that gVisor can reach, besides the build's read-only root. */
  readonly files: () => string[];
  /** The host's uid gVisor runs under; undefined is the worker's own. */
  readonly account: (slot: number) => number | undefined;
  /**
   * bwrap arguments, and runsc's own network. Not for a job that has a way out: bwrap is in a network namespace of the
   * job's already (startInCgroups), and gVisor opens the build's sockets there.
   */
  readonly network: () => { around: string[]; inside: 'none' | 'host' };
  /** What the driver may do. Whatever it may not, a step may not either. */
  readonly driver: () => Pick<OciProcess, 'user' | 'capabilities' | 'noNewPrivileges'>;
  /** Words before each step's command, and before the driver's own work with the build's files. */
  readonly stepPrefix: (pins: ProfileValues) => string[];
  readonly seccomp: (arch: Arch) => OciSeccomp | undefined;
  /** What a process of the build may have; how many there are is one of these. */
  readonly processes: (limits: SandboxLimits) => OciProcess['rlimits'];
  /** What a process of gVisor's own may have. */
  readonly processLimits: ProcessLimits;
  readonly disk: (limits: SandboxLimits, pins: ProfileValues) => OciMount[];
}

/**
 * gVisor does not protect the first process from its own account, so the driver has another than the steps: 0, which is
 * gVisor's own idea of root and nobody on the host. It becomes the steps' account, ends what they left running, looks
 * whether all of it is gone (PTRACE, to see their /proc) and enters folders they closed (DAC_READ_SEARCH).
 */
const driverCapabilities = [
  'CAP_SETUID',
  'CAP_SETGID',
  'CAP_SETPCAP',
  'CAP_KILL',
  'CAP_SYS_PTRACE',
  'CAP_DAC_READ_SEARCH',
];

export const guards: GvisorGuards = {
  namespaces: () => [
    ...['--unshare-user', '--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try'],
    ...['--as-pid-1', '--new-session', '--die-with-parent'],
  ],
  privileges: () => ['--cap-drop', 'ALL'],
  files: () => [],
  account: jobUid,
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
  processes: ({ pids }) => {
    // As in the namespace tier: three of them are the sandbox's own.
    const own = Math.max(1, pids - 3);
    return [
      { type: 'RLIMIT_NPROC', hard: own, soft: own },
      ...Object.entries(buildProcessLimits()).map(([name, value]) => {
        const [soft = 0, hard = 0] = value.split(':').map(Number);
        return { type: `RLIMIT_${name.toUpperCase()}`, hard, soft };
      }),
    ];
  },
  processLimits: gvisorProcessLimits,
  disk: (limits, { uid }) => {
    const { shm, build } = diskShares(limits);
    const owner = [`uid=${uid}`, `gid=${uid}`];
    return [
      tmpfs('/build', [`size=${build}`, 'mode=0755', ...owner]),
      tmpfs('/dev/shm', [`size=${shm}`, 'mode=1777']),
    ];
  },
  cgroup: (controller, version, limits) =>
    limitSettings(controller, version, {
      ...limits,
      memoryBytes: limits.memoryBytes + sandboxLimits.gvisorMemoryBytes,
      // gVisor has a process of the host's for each of the build's, with a thread for each processor.
      pids: sandboxLimits.gvisorThreads + limits.pids * (1 + Math.ceil(limits.cpus)),
    }),
  deadlineMs: ({ seconds }) => seconds * 1000,
  outputBytesMax: ({ diskBytes }) => diskBytes + sandboxLimits.outputOverheadBytes,
};

function tmpfs(destination: string, options: string[]): OciMount {
  return { destination, type: 'tmpfs', source: 'tmpfs', options };
}
