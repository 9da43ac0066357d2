import { findCgroupParents, readHierarchies } from '../../../../sandbox/cgroups/parents.ts';
import type { SandboxLimits } from '../../../../sandbox/index.ts';
import { type BuildGuards, diskFileBytes } from '../../../../sandbox/run/guards.ts';
import type { Guard } from './arena.ts';

/** Never none: not even a control run can take the machine's processes or memory. */
const PROCESSES_OF_A_CONTROL = 400;
export const MEMORY_OF_A_CONTROL = 640 * 1024 * 1024;
export const DISK_OF_A_CONTROL = 320 * 1024 * 1024;
const MINUTE_MS = 60_000;

/** v2 counts sockets as memory: there it has no guard of their own. */
const { parents } = findCgroupParents(readHierarchies());
const holdsSockets = parents.some(
  ({ version, controllers }) => version === 1 && controllers.includes('memory'),
);

/** The guards that all tiers have in common, with one off each. */
export function weakenedGroups({ cgroup }: BuildGuards): Partial<Record<Guard, Partial<BuildGuards>>> {
  const withLimits = (other: Partial<SandboxLimits>): Partial<BuildGuards> => ({
    cgroup: (controller, version, limits) => cgroup(controller, version, { ...limits, ...other }),
  });
  return {
    memory: withLimits({ memoryBytes: MEMORY_OF_A_CONTROL }),
    cpu: { cgroup: (...args) => (args[0] === 'cpu' ? [] : cgroup(...args)) },
    processes: withLimits({ pids: PROCESSES_OF_A_CONTROL }),
    ...(holdsSockets && {
      sockets: { cgroup: (...args) => cgroup(...args).filter(({ file }) => !file.includes('.tcp.')) },
    }),
    'disk file': { diskFileBytes: (limits) => diskFileBytes({ ...limits, diskBytes: DISK_OF_A_CONTROL }) },
    time: { deadlineMs: () => MINUTE_MS },
    'output size': { outputBytesMax: () => Number.POSITIVE_INFINITY },
  };
}
