import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { QuorateError } from '../../src/core/errors.ts';
import { limits as bounds } from '../../src/core/limits.ts';
import type { SandboxLimits } from '../types.ts';
import type { Place } from './place.ts';
import type { LimitSettings } from './settings.ts';

const POLL_MS = 5;

/** One job's control groups: a directory in each hierarchy that holds one of its limits. */
export interface Group {
  /** A process that writes `0` into `cgroup.procs` of each of these is held by all of the limits. */
  readonly directories: readonly string[];
  /** How often the kernel killed for memory. On v1 that is one process, and the job may go on and exit 0. */
  oomKills(): number;
  /** SIGKILLs everything in the group now. */
  kill(): void;
  /** The same, and removes the group; throws SANDBOX_LEFTOVER when that did not work in time. */
  destroy(): Promise<void>;
}

export function createGroup(
  places: readonly Place[],
  name: string,
  limits: SandboxLimits,
  settings: LimitSettings,
): Group {
  const directories = groupDirectories(places, name);
  try {
    places.forEach((place, index) => {
      const directory = directories[index] ?? '';
      mkdirSync(directory);
      for (const controller of place.controllers) {
        for (const { file, value, optional } of settings(controller, place.version, limits)) {
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
  const memory = places.findIndex((place) => place.controllers.includes('memory'));
  return {
    directories,
    oomKills: () => readOomKills(directories[memory] ?? '', places[memory]?.version ?? 2),
    kill: () => directories.forEach(killAll),
    destroy: () => destroyGroups(directories),
  };
}

export function groupDirectories(places: readonly Place[], name: string): string[] {
  return places.map((place) => join(place.parent, name));
}

/** Kills and removes, in bounded time. A directory that is already gone is fine. */
export async function destroyGroups(directories: readonly string[]): Promise<void> {
  const until = performance.now() + bounds.sandboxStopSecondsMax * 1000;
  for (;;) {
    for (const directory of directories) killAll(directory);
    const left = directories.filter((directory) => !removeNow(directory));
    if (left.length === 0) return;
    if (performance.now() > until) {
      throw new QuorateError('SANDBOX_LEFTOVER', `control groups could not be removed: ${left.join(', ')}`, {
        hint: 'look for processes in uninterruptible sleep; the next start tries again',
      });
    }
    await sleep(POLL_MS);
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
