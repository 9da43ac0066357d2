import { execFileSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { requireTool } from '../host.ts';

/** A program or library of the host (`from`), and its path in the guest or image. */
export interface HostFile {
  readonly path: string;
  readonly from: string;
}

/** Programs of the host with all shared libraries they need. For trusted programs only: ldd(1) may execute them. */
export function withLibraries(programs: readonly string[]): HostFile[] {
  const files = new Map<string, string>();
  for (const program of programs) {
    const path = requireTool(program);
    files.set(`/usr/bin/${program}`, realpathSync(path));
    for (const library of librariesOf(path)) files.set(library, realpathSync(library));
  }
  return [...files].map(([path, from]) => ({ path, from }));
}

/** Libraries of a program, from ldd(1): lines of `name => /path (address)` and `/path (address)`. */
function librariesOf(path: string): string[] {
  try {
    const said = execFileSync(requireTool('ldd'), [path], {
      encoding: 'utf8',
      env: {},
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 10_000,
    });
    const lines = said.matchAll(/^\s*(?:\S+ => )?(\/\S+) \(0x[0-9a-f]+\)$/gm);
    return [...lines].map(([, library = '']) => library);
  } catch {
    // A statically linked program.
    return [];
  }
}
