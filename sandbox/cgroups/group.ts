import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { QuorateError } from '../../src/core/errors.ts';
import { sandboxLimits } from '../limits.ts';
import type { SandboxLimits } from '../types.ts';
import type { Controller } from './controllers.ts';
import type { CgroupParent } from './parents.ts';
import type { LimitSettings, Setting } from './settings.ts';

const POLL_MS = 5;

/** One job's control groups: a directory in each hierarchy that holds one of its limits. */
export interface Group {
  /** A process that writes `0` into `cgroup.procs` of each of these is held by all of the limits. */
  readonly directories: readonly string[];
  /** How often the kernel killed for memory. On v1 that is one process, and the job may go on and exit 0. */
  oomKills(): number;
  /** Stops everything in the group where it is, or lets it go on. False where the kernel offers no such thing. */
  freeze(frozen: boolean): boolean;
  /** What it uses now, and has used of the processor; NaN where the kernel does not count it. */
  usage(): { memoryBytes: number; processorSeconds: number };
  /** Other limits than it was made with. Returns those the kernel did not take, such as less memory than is in use. */
  limit(limits: SandboxLimits): Controller[];
  /** SIGKILLs everything in the group now. */
  kill(): void;
  /** The same, and removes the group; throws SANDBOX_CLEANUP_FAILED when that did not work in time. */
  destroy(): Promise<void>;
}

export function createGroup(
  parents: readonly CgroupParent[],
  name: string,
  limits: SandboxLimits,
  settings: LimitSettings,
): Group {
  const directories = groupDirectories(parents, name);
  try {
    parents.forEach((parent, index) => {
      const directory = directories[index] ?? '';
      mkdirSync(directory);
      for (const controller of parent.controllers) {
        for (const { file, value, optional } of settings(controller, parent.version, limits)) {
          const path = join(directory, file);
          if (optional !== true || existsSync(path)) writeFileSync(path, value);
        }
      }
    });
  } catch (cause) {
    for (const directory of directories) removeNow(directory);
    throw new QuorateError('SANDBOX_CGROUP_FAILED', `the control group ${name} could not be made`, {
      hint: 'start again: the probe then names the limit this machine cannot hold, and what mends it',
      cause,
    });
  }
  const at = (controller: Controller): { directory: string; version: 1 | 2 } => {
    const index = parents.findIndex((parent) => parent.controllers.includes(controller));
    return { directory: directories[index] ?? '', version: parents[index]?.version ?? 2 };
  };
  const [memory, freezer, cpuacct] = [at('memory'), at('freezer'), at('cpuacct')];
  return {
    directories,
    oomKills: () => readOomKills(memory.directory, memory.version),
    freeze: (frozen) => freezeGroup(freezer.directory, freezer.version, frozen),
    usage: () => ({
      memoryBytes: readNumber(
        join(memory.directory, memory.version === 2 ? 'memory.current' : 'memory.usage_in_bytes'),
      ),
      processorSeconds: readProcessorSeconds(cpuacct.directory, cpuacct.version),
    }),
    limit: (other) =>
      parents.flatMap((parent, index) =>
        parent.controllers.filter(
          (controller) => !rewrite(directories[index] ?? '', settings(controller, parent.version, other)),
        ),
      ),
    kill: () => directories.forEach(killAll),
    destroy: () => destroyGroups(directories),
  };
}

export function groupDirectories(parents: readonly CgroupParent[], name: string): string[] {
  return parents.map((parent) => join(parent.path, name));
}

/** Kills and removes, in bounded time. A directory that is already gone is fine. */
export async function destroyGroups(directories: readonly string[]): Promise<void> {
  const until = performance.now() + sandboxLimits.stopSecondsMax * 1000;
  for (;;) {
    for (const directory of directories) killAll(directory);
    const left = directories.filter((directory) => !removeNow(directory));
    if (left.length === 0) return;
    if (performance.now() > until) {
      throw new QuorateError(
        'SANDBOX_CLEANUP_FAILED',
        `control groups could not be removed: ${left.join(', ')}`,
        {
          hint: 'look for processes in uninterruptible sleep; the next start tries again',
        },
      );
    }
    await sleep(POLL_MS);
  }
}

function freezeGroup(directory: string, version: 1 | 2, frozen: boolean): boolean {
  try {
    if (version === 2) writeFileSync(join(directory, 'cgroup.freeze'), frozen ? '1' : '0');
    else writeFileSync(join(directory, 'freezer.state'), frozen ? 'FROZEN' : 'THAWED');
    return true;
  } catch {
    return false;
  }
}

/** Whether all was taken. v1 wants memory before memory and swap on the way down, and after it on the way up. */
function rewrite(directory: string, wanted: readonly Setting[]): boolean {
  let left = wanted.filter(({ file, optional }) => optional !== true || existsSync(join(directory, file)));
  for (let tried = 0; tried < 2 && left.length > 0; tried++) {
    left = left.filter(({ file, value }) => {
      try {
        writeFileSync(join(directory, file), value);
        return false;
      } catch {
        return true;
      }
    });
  }
  return left.length === 0;
}

function readNumber(file: string): number {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    return Number.NaN;
  }
}

function readProcessorSeconds(directory: string, version: 1 | 2): number {
  if (version === 1) return readNumber(join(directory, 'cpuacct.usage')) / 1e9;
  try {
    const text = readFileSync(join(directory, 'cpu.stat'), 'utf8');
    return Number(/^usage_usec (\d+)$/m.exec(text)?.[1] ?? Number.NaN) / 1e6;
  } catch {
    return Number.NaN;
  }
}

/** `cgroup.kill` catches forks in flight; without it the job's pid namespace does: its first process takes all along. */
function killAll(directory: string): void {
  try {
    if (existsSync(join(directory, 'cgroup.kill'))) writeFileSync(join(directory, 'cgroup.kill'), '1');
    for (const line of readFileSync(join(directory, 'cgroup.procs'), 'utf8').split('\n')) {
      const pid = Number(line);
      if (pid > 1) process.kill(pid, 'SIGKILL');
    }
    // On v1 what is frozen cannot even die.
    if (existsSync(join(directory, 'freezer.state')))
      writeFileSync(join(directory, 'freezer.state'), 'THAWED');
  } catch {
    // Gone between listing and killing: the caller looks again until the group can be removed.
  }
}

function removeNow(directory: string): boolean {
  try {
    rmdirSync(directory);
    return true;
  } catch {
    return !existsSync(directory);
  }
}

function readOomKills(directory: string, version: 1 | 2): number {
  try {
    const text = readFileSync(
      join(directory, version === 2 ? 'memory.events' : 'memory.oom_control'),
      'utf8',
    );
    return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
  } catch {
    return 0;
  }
}
