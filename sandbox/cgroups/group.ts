import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { assert, QuorateError } from '../../src/protocol/base/errors.ts';
import { readOptional } from '../files.ts';
import { sandboxLimits } from '../limits.ts';
import type { SandboxLimits } from '../types.ts';
import type { Controller } from './controllers.ts';
import type { CgroupParent } from './parents.ts';
import type { LimitSettings, Setting } from './settings.ts';

const POLL_MS = 5;
assert(100 * POLL_MS <= sandboxLimits.stopSecondsMax * 1000, 'the removal of a group is tried many times');

/** The cgroups of one job: a directory in each hierarchy that enforces one of its limits. */
export interface Group {
  /** A process that writes `0` into `cgroup.procs` of each of these is subject to all limits. */
  readonly directories: readonly string[];
  /** Number of out-of-memory kills. On v1 each ends one process, and the job may go on and exit 0. */
  oomKills(): number;
  /** Freezes or thaws all processes. Returns false if the kernel does not support it. */
  freeze(frozen: boolean): boolean;
  /** Current memory and total processor time; NaN where the kernel does not report it. */
  usage(): { memoryBytes: number; processorSeconds: number };
  /** Changes the limits. Returns the controllers that refused, such as memory below the current use. */
  limit(limits: SandboxLimits): Controller[];
  /** Sends SIGKILL to all processes. */
  kill(): void;
  /** Kills all processes and removes the cgroups. @throws SANDBOX_CLEANUP_FAILED after a bounded time */
  destroy(): Promise<void>;
}

/** Creates the cgroups of a job and writes its limits. @throws SANDBOX_FAILED */
export function createGroup(
  parents: readonly CgroupParent[],
  name: string,
  limits: SandboxLimits,
  settings: LimitSettings,
): Group {
  const made = parents.map((parent) => ({ ...parent, directory: join(parent.path, name) }));
  const directories = made.map(({ directory }) => directory);
  try {
    for (const { directory, controllers, version } of made) {
      mkdirSync(directory);
      for (const controller of controllers)
        for (const { file, value } of present(directory, settings(controller, version, limits)))
          writeFileSync(join(directory, file), value);
    }
  } catch (cause) {
    for (const directory of directories) removeNow(directory);
    throw new QuorateError('SANDBOX_FAILED', `the control group ${name} could not be made`, {
      hint: 'restart the worker: the probe then names the limit that this host cannot enforce, and the fix',
      cause,
    });
  }
  // Where no hierarchy has it there is no file to read or write.
  const at = (controller: Controller): { directory: string; version: 1 | 2 } =>
    made.find(({ controllers }) => controllers.includes(controller)) ?? {
      directory: '/dev/null',
      version: 2,
    };
  const [memory, freezer, cpuacct] = [at('memory'), at('freezer'), at('cpuacct')];
  const [events, current] =
    memory.version === 2
      ? ['memory.events', 'memory.current']
      : ['memory.oom_control', 'memory.usage_in_bytes'];
  return {
    directories,
    oomKills: () => numberIn(memory.directory, events, /^oom_kill (\d+)$/m) || 0,
    freeze: (frozen) =>
      freezer.version === 2
        ? isAccepted(freezer.directory, { file: 'cgroup.freeze', value: frozen ? '1' : '0' })
        : isAccepted(freezer.directory, { file: 'freezer.state', value: frozen ? 'FROZEN' : 'THAWED' }),
    usage: () => ({
      memoryBytes: numberIn(memory.directory, current),
      processorSeconds:
        cpuacct.version === 2
          ? numberIn(cpuacct.directory, 'cpu.stat', /^usage_usec (\d+)$/m) / 1e6
          : numberIn(cpuacct.directory, 'cpuacct.usage') / 1e9,
    }),
    limit: (other) =>
      made.flatMap(({ directory, controllers, version }) =>
        controllers.filter((controller) => !rewrite(directory, settings(controller, version, other))),
      ),
    kill: () => directories.forEach(killAll),
    destroy: () => destroyGroups(directories),
  };
}

export function groupDirectories(parents: readonly CgroupParent[], name: string): string[] {
  return parents.map((parent) => join(parent.path, name));
}

/** Kills all processes and removes the directories; missing ones are ignored. @throws SANDBOX_CLEANUP_FAILED */
export async function destroyGroups(directories: readonly string[]): Promise<void> {
  const until = performance.now() + sandboxLimits.stopSecondsMax * 1000;
  for (;;) {
    for (const directory of directories) killAll(directory);
    const left = directories.filter((directory) => !removeNow(directory));
    if (left.length === 0) return;
    const says = `control groups could not be removed: ${left.join(', ')}`;
    const hint = 'look for processes in uninterruptible sleep; the next start tries again';
    if (performance.now() > until) throw new QuorateError('SANDBOX_CLEANUP_FAILED', says, { hint });
    await sleep(POLL_MS);
  }
}

/** Settings whose files this kernel has. */
const present = (directory: string, settings: readonly Setting[]): Setting[] =>
  settings.filter(({ file, optional }) => optional !== true || existsSync(join(directory, file)));

function isAccepted(directory: string, { file, value }: Setting): boolean {
  try {
    writeFileSync(join(directory, file), value);
    return true;
  } catch {
    return false;
  }
}

/** Writes settings; false if one was refused. Two passes: on v1 the order of memory and memory+swap depends on the direction. */
function rewrite(directory: string, wanted: readonly Setting[]): boolean {
  const refused = (settings: readonly Setting[]) =>
    settings.filter((setting) => !isAccepted(directory, setting));
  return refused(refused(present(directory, wanted))).length === 0;
}

/** A number in a file; NaN where there is none. */
function numberIn(directory: string, file: string, pattern = /(.+)/s): number {
  return Number(pattern.exec(readOptional(join(directory, file)) ?? '')?.[1] ?? Number.NaN);
}

/** `cgroup.kill` also covers concurrent forks. Without it the job's pid namespace does: its processes end with its first. */
function killAll(directory: string): void {
  try {
    if (existsSync(join(directory, 'cgroup.kill'))) writeFileSync(join(directory, 'cgroup.kill'), '1');
    for (const line of readFileSync(join(directory, 'cgroup.procs'), 'utf8').split('\n')) {
      const pid = Number(line);
      if (pid > 1) process.kill(pid, 'SIGKILL');
    }
    // On v1 a frozen process does not handle SIGKILL.
    if (existsSync(join(directory, 'freezer.state')))
      writeFileSync(join(directory, 'freezer.state'), 'THAWED');
  } catch {
    // The process ended in between. The caller repeats this until the cgroup can be removed.
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
