import { randomInt } from 'node:crypto';
import { chmodSync, lchownSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { limits as bounds } from '../../src/core/limits.ts';
import { profileEtc } from '../build/etc.ts';
import { createGroup, groupDirectories } from '../cgroups/group.ts';
import { groupPrefix, recordJob } from '../cgroups/leftovers.ts';
import { findCgroupParents, readHierarchies } from '../cgroups/parents.ts';
import { limitSettings, lowPriority, withPriority } from '../cgroups/settings.ts';
import { jobUid } from '../host.ts';
import { sandboxLimits } from '../limits.ts';
import { seccompFilter } from '../seccomp/policy.ts';
import type { SandboxLimits } from '../types.ts';
import { type ProxyAccess, type ToolGuards, toolCommand, toolFiles, toolGuards } from './command.ts';
import { tunnelProgram } from './tunnel.ts';

export interface ToolOptions {
  /** The folder `openSandbox` got: what a crash leaves behind is swept by its notes. */
  stateDir: string;
  /** An existing, private and empty folder on the disk, for all of this; the caller removes it. */
  scratch: string;
  limits: Pick<SandboxLimits, 'cpus' | 'memoryBytes'>;
  /** For the attack tests. */
  guards?: ToolGuards;
}

/** A sandbox for a tool of the host's, such as git, that reads what strangers send. */
export interface ToolSandbox {
  /** The one folder the tool can write to, inside at the same path. What it leaves there is hostile. */
  readonly dir: string;
  /** For the unix socket `proxy.sock` of a proxy, the only way out. */
  readonly net: string;
  /**
   * A command that runs another inside, with the proxy in reach by the variables curl (`loopback`) or git (`command`)
   * knows. What lies in `dir` when the first is made is handed to the tool's account.
   */
  wrap(command: readonly string[], reach: ProxyAccess): string[];
  /** Whether the kernel ended one of its processes for memory. */
  outOfMemory(): boolean;
  /** Resolves when no process and no group of it is left. */
  close(): Promise<void>;
}

/**
 * The guards of a build, for a command of ours: no network, no file of the host's but the system and one folder, an
 * account of its own when the caller is root, the same filter of system calls, and control groups. Works where
 * `openSandbox` does. Throws SANDBOX_CGROUP_FAILED.
 */
export function openToolSandbox({
  stateDir,
  scratch,
  limits,
  guards = toolGuards,
}: ToolOptions): ToolSandbox {
  const [dir, net, files] = [join(scratch, 'work'), join(scratch, 'net'), join(scratch, 'files')];
  for (const folder of [dir, net, files]) mkdirSync(folder, { mode: 0o700 });
  // The socket is used under another account; who could reach this folder is up to `scratch`.
  chmodSync(net, 0o711);
  const arch = process.arch === 'arm64' ? 'arm64' : 'x64';
  writeFileSync(join(files, toolFiles.filter), seccompFilter(arch));
  writeFileSync(join(files, toolFiles.tunnel), tunnelProgram);
  for (const { path, text } of profileEtc) writeFileSync(join(files, toolFiles.etc(path)), text);

  const slot = randomInt(2 ** 32);
  const uid = jobUid(slot);
  const name = `${groupPrefix}${process.pid}-${slot.toString(16)}`;
  const { parents } = findCgroupParents(readHierarchies());
  const forget = recordJob(join(stateDir, 'sandbox'), name, groupDirectories(parents, name));
  const held: SandboxLimits = {
    ...{ cpus: limits.cpus, memoryBytes: Math.min(limits.memoryBytes, sandboxLimits.toolMemoryBytesMax) },
    ...{ pids: sandboxLimits.toolPidsMax, diskBytes: Number.MAX_SAFE_INTEGER, seconds: bounds.gitSecondsMax },
  };
  let group: ReturnType<typeof createGroup>;
  try {
    group = createGroup(
      parents,
      name,
      held,
      withPriority(limitSettings, () => lowPriority),
    );
  } catch (error) {
    forget();
    throw error;
  }
  let handedOver = uid === undefined;
  return {
    dir,
    net,
    wrap: (command, reach) => {
      if (!handedOver && uid !== undefined) handOver(dir, uid);
      handedOver = true;
      return toolCommand({ dir, net, files, groups: group.directories, uid }, command, reach, guards);
    },
    outOfMemory: () => group.oomKills() > 0,
    close: async () => {
      await group.destroy();
      forget();
    },
  };
}

/** Nothing foreign has run in there yet, so nothing changes under the walk. */
function handOver(dir: string, uid: number): void {
  lchownSync(dir, uid, uid);
  for (const entry of readdirSync(dir, { recursive: true, encoding: 'utf8' }))
    lchownSync(join(dir, entry), uid, uid);
}
