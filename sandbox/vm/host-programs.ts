import { execFileSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { requireTool } from '../host.ts';

/** A program or library of the host, and the path at which another system has to have it. */
export interface HostFile {
  readonly path: string;
  readonly from: string;
}

/** The host's own programs with every library they are linked to, each once. For programs of the system only. */
export function withLibraries(programs: readonly string[]): HostFile[] {
  const files = new Map<string, string>();
  for (const program of programs) {
    const path = requireTool(program);
    files.set(`/usr/bin/${program}`, realpathSync(path));
    for (const library of librariesOf(path)) files.set(library, realpathSync(library));
  }
  return [...files].map(([path, from]) => ({ path, from }));
}

/** Paths as the dynamic linker looks for them (ldd(1)): `name => /path (address)` and `/path (address)`. */
function librariesOf(path: string): string[] {
  try {
    const said = execFileSync(requireTool('ldd'), [path], {
      encoding: 'utf8',
      env: {},
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 10_000,
    });
    return [...said.matchAll(/^\s*(?:\S+ => )?(\/\S+) \(0x[0-9a-f]+\)$/gm)].map(
      ([, library = '']) => library,
    );
  } catch {
    // Linked to none.
    return [];
  }
}
