import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { sandboxLimits } from '../limits.ts';

/** Output of the program's mode `version`: the version of its job messages. */
const version = 'quorate-native 1\n';

/** Beside this file, and in a package beside the program. */
const builtFolder = new URL('./built/', import.meta.url);

let found: { path: string | undefined } | undefined;

/**
 * Path of the native program (docs/adr/0060-a-native-first-process.md); undefined where there is none for this processor, or where it
 * does not run, such as from a file system that is mounted `noexec` or with a kernel that executes no memory
 * (vm.memfd_noexec). Then shells and tools take its place. Tried once.
 */
export function nativeProgram(): string | undefined {
  found ??= { path: tried() };
  return found.path;
}

function tried(): string | undefined {
  const path = fileURLToPath(new URL(`native-${process.arch}`, builtFolder));
  if (!existsSync(path)) return undefined;
  const ran = spawnSync(path, ['enter', 'self', '3', '--', '/proc/self/fd/3', 'version'], {
    encoding: 'utf8',
    env: {},
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: sandboxLimits.toolMs,
  });
  return ran.status === 0 && ran.stdout === version ? path : undefined;
}
