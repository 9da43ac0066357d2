import { randomInt } from 'node:crypto';
import { chmodSync, lchownSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { limits as bounds } from '../../src/protocol/base/limits.ts';
import { createGroup, groupDirectories } from '../cgroups/group.ts';
import { groupPrefix, recordJob } from '../cgroups/leftovers.ts';
import { findCgroupParents, readHierarchies } from '../cgroups/parents.ts';
import { limitSettings, lowPriority, withPriority } from '../cgroups/settings.ts';
import { jobUid } from '../host.ts';
import { sandboxLimits } from '../limits.ts';
import { nativeProgram } from '../native/index.ts';
import { type Spawner, sharedSpawner } from '../native/spawner.ts';
import { profileEtc } from '../run/profile.ts';
import { seccompFilter } from '../seccomp/policy.ts';
import { hostArch } from '../seccomp/syscalls.ts';
import type { SandboxLimits } from '../types.ts';
import { type ProxyAccess, type ToolGuards, toolCommand, toolFiles, toolGuards } from './command.ts';
import { tunnelProgram } from './tunnel.ts';

export interface ToolOptions {
  /** The state folder given to `openSandbox`: its job records serve to clean up after a crash. */
  stateDir: string;
  /** An existing, private and empty folder on disk for all files; the caller removes it. */
  scratch: string;
  limits: Pick<SandboxLimits, 'cpus' | 'memoryBytes'>;
  /** Finds the native program. Default: `nativeProgram`. */
  native?: (() => string | undefined) | undefined;
  /** For the attack tests. */
  guards?: ToolGuards;
}

/** A sandbox for a program of the host, such as git, that processes untrusted input. */
export interface ToolSandbox {
  /** The only folder that the tool can write to, at the same path inside. Its content must be treated as hostile. */
  readonly dir: string;
  /** Folder for the unix socket `proxy.sock` of a proxy, the only access to the network. */
  readonly net: string;
  /** A command that runs inside, with the proxy where curl or git reads it. The first call hands `dir` to the account of the tool. */
  wrap(command: readonly string[], reach: ProxyAccess): string[];
  /** Starts a wrapped command by the native program (ADR 0069). Absent where there is none, and for the first of this process. */
  readonly start?: Spawner['start'];
  /** Changes its limits. Returns whether all of them hold now. */
  limit(limits: ToolOptions['limits']): boolean;
  /** Whether the kernel killed one of its processes for memory. */
  outOfMemory(): boolean;
  /** Kills the tool. Resolves when no process and no cgroup of it is left. @throws SANDBOX_CLEANUP_FAILED */
  close(): Promise<void>;
}

/**
 * Opens a sandbox with the guards of a build: no network, no files of the host but the system and one folder, an account of its own for
 * root, the system call filter, and cgroups. @throws SANDBOX_FAILED
 */
export function openToolSandbox(options: ToolOptions): ToolSandbox {
  const { stateDir, scratch, limits, guards = toolGuards } = options;
  const native = (options.native ?? nativeProgram)();
  const [dir, net, files] = [join(scratch, 'work'), join(scratch, 'net'), join(scratch, 'files')];
  for (const folder of [dir, net, files]) mkdirSync(folder, { mode: 0o700 });
  // The tool's account must reach the socket, and root its folder without the right to pass any. Other accounts are kept out by
  // the mode of `scratch`.
  for (const folder of [dir, net]) chmodSync(folder, 0o711);
  writeFileSync(join(files, toolFiles.filter), seccompFilter(hostArch));
  for (const { path, text } of profileEtc) writeFileSync(join(files, toolFiles.etc(path)), text);

  const slot = randomInt(2 ** 32);
  const uid = jobUid(slot);
  const name = `${groupPrefix}${process.pid}-${slot.toString(16)}`;
  const { parents } = findCgroupParents(readHierarchies());
  const forget = recordJob(join(stateDir, 'sandbox'), name, groupDirectories(parents, name));
  let held = heldTo(limits);
  const settings = withPriority(limitSettings, () => lowPriority);
  let group: ReturnType<typeof createGroup>;
  try {
    group = createGroup(parents, name, held, settings);
  } catch (error) {
    forget();
    throw error;
  }
  let handedOver = uid === undefined;
  let hasTunnel = false;
  const spawner = native === undefined ? undefined : sharedSpawner(native);
  return {
    dir,
    net,
    ...(spawner !== undefined && { start: spawner.start.bind(spawner) }),
    wrap: (command, reach) => {
      if (!handedOver && uid !== undefined) handOver(dir, uid);
      handedOver = true;
      if (reach !== 'nothing' && !hasTunnel) {
        writeFileSync(join(files, toolFiles.tunnel), tunnelProgram());
        hasTunnel = true;
      }
      const context = { dir, net, files, groups: group.directories, uid, native };
      return toolCommand(context, command, reach, guards);
    },
    limit: (other) => {
      const wanted = heldTo(other);
      if (isDeepStrictEqual(wanted, held)) return true;
      held = wanted;
      return group.limit(held).length === 0;
    },
    outOfMemory: () => group.oomKills() > 0,
    close: async () => {
      await group.destroy();
      forget();
    },
  };
}

const heldTo = ({ cpus, memoryBytes }: ToolOptions['limits']): SandboxLimits => ({
  cpus,
  memoryBytes: Math.min(memoryBytes, sandboxLimits.toolMemoryBytesMax),
  pids: sandboxLimits.toolPidsMax,
  diskBytes: Number.MAX_SAFE_INTEGER,
  seconds: bounds.gitSecondsMax,
});

/** Changes the owner of a tree. No untrusted process has run in it yet, so the tree does not change meanwhile. */
function handOver(dir: string, uid: number): void {
  lchownSync(dir, uid, uid);
  for (const entry of readdirSync(dir, { recursive: true, encoding: 'utf8' }))
    lchownSync(join(dir, entry), uid, uid);
}
