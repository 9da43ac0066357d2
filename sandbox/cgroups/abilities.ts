import { existsSync, mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { listOptional, readOptional } from '../files.ts';
import type { SandboxAbilities } from '../types.ts';
import type { Controller } from './controllers.ts';
import type { CgroupParent } from './parents.ts';

/** Detects optional controls in an empty child cgroup: the root of a hierarchy lacks files. `name` must be unused. */
export function detectAbilities(
  parents: readonly CgroupParent[],
  name: string,
): Omit<SandboxAbilities, 'disk'> {
  const parentOf = (controller: Controller) =>
    parents.find(({ controllers }) => controllers.includes(controller));
  const [cpu, io] = [parentOf('cpu'), parentOf('io')];
  return {
    freeze: parentOf('freezer') !== undefined,
    processorTime: parentOf('cpuacct') !== undefined,
    idle: cpu !== undefined && hasFile(cpu, name, 'cpu.idle'),
    ioWeight:
      io !== undefined &&
      ((io.version === 2 && hasFile(io, name, 'io.weight') && costModelled(io.path)) ||
        (hasFile(io, name, io.version === 2 ? 'io.bfq.weight' : 'blkio.bfq.weight') && scheduledByBfq())),
  };
}

/** Whether a child cgroup has the file. The root of a hierarchy lacks some files that its children have. */
export function hasFile({ path }: Pick<CgroupParent, 'path'>, name: string, file: string): boolean {
  const directory = join(path, name);
  try {
    mkdirSync(directory);
    try {
      return existsSync(join(directory, file));
    } finally {
      rmdirSync(directory);
    }
  } catch {
    return false;
  }
}

/** Whether a disk uses BFQ, which honours weights (Documentation/block/bfq-iosched.rst). */
function scheduledByBfq(): boolean {
  return listOptional('/sys/block').some((disk) =>
    readOptional(`/sys/block/${disk}/queue/scheduler`)?.includes('[bfq]'),
  );
}

/** Whether the v2 I/O cost model, which honours weights, is enabled for a disk (io.cost.qos in the root, cgroup-v2.rst). */
export function costModelled(parent: string): boolean {
  for (let at = parent; at.length > 1; at = join(at, '..')) {
    if (readOptional(join(at, 'io.cost.qos'))?.includes('enable=1')) return true;
  }
  return false;
}
