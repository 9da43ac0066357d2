import type { SandboxLimits, SandboxPriority } from '../types.ts';
import type { Controller } from './controllers.ts';

/** A value to write into a file of a cgroup. An `optional` file may be absent on some kernels. */
export interface Setting {
  readonly file: string;
  readonly value: string;
  readonly optional?: boolean;
}

/** The settings of one controller, in the order of writing: v1 needs the memory limit before memory+swap. */
export type LimitSettings = (controller: Controller, version: 1 | 2, limits: SandboxLimits) => Setting[];

const CPU_PERIOD_US = 100_000;

/** A fifth of the default share (1024 on v1, 100 on v2): builds yield to the host's other processes. */
const LOW_SHARES_V1 = 204;
const LOW_WEIGHT_V2 = 20;
/** The smallest shares that the kernel accepts. */
const LEAST_SHARES_V1 = 2;
const LEAST_WEIGHT_V2 = 1;

/** Default priority of builds. */
export const lowPriority: SandboxPriority = { processor: 'low', ioWeight: 20 };

/** A cgroup with cpu.idle=1 accepts no share: the smallest is written before, for kernels without cpu.idle. */
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
  const [file, low, least] =
    version === 2
      ? ['cpu.weight', LOW_WEIGHT_V2, LEAST_WEIGHT_V2]
      : ['cpu.shares', LOW_SHARES_V1, LEAST_SHARES_V1];
  const share = { file, value: String(processor === 'idle' ? least : low), optional: true };
  const idle = (value: string) => ({ file: 'cpu.idle', value, optional: true });
  return processor === 'idle' ? [idle('0'), share, idle('1')] : [idle('0'), share];
}

/** Adds priority settings to limits. `priority` is read each time settings are written. */
export const withPriority =
  (settings: LimitSettings, priority: () => SandboxPriority): LimitSettings =>
  (controller, version, limits) => [
    ...settings(controller, version, limits),
    ...prioritySettings(controller, version, priority()),
  ];

/**
 * v1 does not count TCP socket buffers as memory. Without a limit a build could fill them, over its own loopback, up to the
 * host's global limit. They get 1/16 of the job's memory, in addition to it.
 */
const SOCKET_SHARE_V1 = 16;

export const limitSettings: LimitSettings = (controller, version, { memoryBytes, cpus, pids }) => {
  // The kernel's minimum is 1 ms.
  const quota = Math.max(1_000, Math.round(cpus * CPU_PERIOD_US));
  const memory = String(memoryBytes);
  switch (controller) {
    case 'memory':
      return version === 2
        ? [
            { file: 'memory.max', value: memory },
            { file: 'memory.swap.max', value: '0', optional: true },
            { file: 'memory.oom.group', value: '1', optional: true },
          ]
        : [
            { file: 'memory.limit_in_bytes', value: memory },
            { file: 'memory.memsw.limit_in_bytes', value: memory, optional: true },
            // Applies on kernels without swap accounting.
            { file: 'memory.swappiness', value: '0', optional: true },
            {
              file: 'memory.kmem.tcp.limit_in_bytes',
              value: String(Math.floor(memoryBytes / SOCKET_SHARE_V1)),
              optional: true,
            },
          ];
    case 'cpu':
      return version === 2
        ? [{ file: 'cpu.max', value: `${quota} ${CPU_PERIOD_US}` }]
        : [
            { file: 'cpu.cfs_period_us', value: String(CPU_PERIOD_US) },
            { file: 'cpu.cfs_quota_us', value: String(quota) },
          ];
    case 'pids':
      return [{ file: 'pids.max', value: String(pids) }];
    case 'freezer':
    case 'cpuacct':
    case 'io':
      return [];
  }
};
