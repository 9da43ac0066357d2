import type { SandboxLimits, SandboxPriority } from '../types.ts';
import type { Controller } from './controllers.ts';

/** One value to write into a group. `optional` ones may be absent on a kernel without that feature. */
export interface Setting {
  readonly file: string;
  readonly value: string;
  readonly optional?: boolean;
}

/** Writes the settings of one controller: the order matters, v1 wants the memory limit before memory and swap. */
export type LimitSettings = (controller: Controller, version: 1 | 2, limits: SandboxLimits) => Setting[];

const CPU_PERIOD_US = 100_000;

/** A fifth of a normal group's share: the build gives way whenever the machine's owner wants the processor. */
const LOW_SHARES_V1 = 204;
const LOW_WEIGHT_V2 = 20;
/** The smallest shares there are. */
const LEAST_SHARES_V1 = 2;
const LEAST_WEIGHT_V2 = 1;

/** What builds get when their operator says nothing. */
export const lowPriority: SandboxPriority = { processor: 'low', ioWeight: 20 };

/**
 * What is written besides the limits. An idle group takes no share of its own, and is made one only after it has got the
 * minimumText, which stands where the kernel knows no idle groups.
 */
export function prioritySettings(
  controller: Controller,
  version: 1 | 2,
  { processor, ioWeight }: SandboxPriority,
): Setting[] {
  if (controller === 'io') {
    const weight = String(ioWeight);
    return version === 2
      ? [
          { file: 'io.weight', value: `default ${weight}`, optional: true },
          { file: 'io.bfq.weight', value: weight, optional: true },
        ]
      : [{ file: 'blkio.bfq.weight', value: weight, optional: true }];
  }
  if (controller !== 'cpu') return [];
  const [file, low, minimumText] =
    version === 2
      ? ['cpu.weight', LOW_WEIGHT_V2, LEAST_WEIGHT_V2]
      : ['cpu.shares', LOW_SHARES_V1, LEAST_SHARES_V1];
  const share = { file, value: String(processor === 'idle' ? minimumText : low), optional: true };
  const idle = (value: string) => ({ file: 'cpu.idle', value, optional: true });
  return processor === 'idle' ? [idle('0'), share, idle('1')] : [idle('0'), share];
}

/** Limits, and how what is held to them gives way; looked at anew with each group and each change. */
export const withPriority =
  (settings: LimitSettings, priority: () => SandboxPriority): LimitSettings =>
  (controller, version, limits) => [
    ...settings(controller, version, limits),
    ...prioritySettings(controller, version, priority()),
  ];

export const limitSettings: LimitSettings = (controller, version, limits) => {
  switch (controller) {
    case 'memory':
      return version === 2 ? memoryV2(limits) : memoryV1(limits);
    case 'cpu':
      return version === 2 ? cpuV2(limits) : cpuV1(limits);
    case 'pids':
      return [{ file: 'pids.max', value: String(limits.pids) }];
    case 'freezer':
    case 'cpuacct':
    case 'io':
      return [];
  }
};

function memoryV2({ memoryBytes }: SandboxLimits): Setting[] {
  return [
    { file: 'memory.max', value: String(memoryBytes) },
    { file: 'memory.swap.max', value: '0', optional: true },
    { file: 'memory.oom.group', value: '1', optional: true },
  ];
}

/**
 * v1 does not count what lies in sockets of IP as memory: without a bound of its own a build keeps there, on its own
 * loopback, what the whole machine may. It comes on top of the job's memory.
 */
const SOCKET_SHARE_V1 = 16;

/** Without swap accounting the group must at minimumText not choose to swap. */
function memoryV1({ memoryBytes }: SandboxLimits): Setting[] {
  const socketBytes = Math.floor(memoryBytes / SOCKET_SHARE_V1);
  return [
    { file: 'memory.limit_in_bytes', value: String(memoryBytes) },
    { file: 'memory.memsw.limit_in_bytes', value: String(memoryBytes), optional: true },
    { file: 'memory.swappiness', value: '0', optional: true },
    { file: 'memory.kmem.tcp.limit_in_bytes', value: String(socketBytes), optional: true },
  ];
}

function cpuV2({ cpus }: SandboxLimits): Setting[] {
  return [{ file: 'cpu.max', value: `${quota(cpus)} ${CPU_PERIOD_US}` }];
}

function cpuV1({ cpus }: SandboxLimits): Setting[] {
  return [
    { file: 'cpu.cfs_period_us', value: String(CPU_PERIOD_US) },
    { file: 'cpu.cfs_quota_us', value: String(quota(cpus)) },
  ];
}

/** The kernel takes no quota under 1 ms. */
function quota(cpus: number): number {
  return Math.max(1_000, Math.round(cpus * CPU_PERIOD_US));
}
