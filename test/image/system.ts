import { execFileSync } from 'node:child_process';
import { readFileSync, realpathSync } from 'node:fs';
import { dir, file, type LayerEntry, link } from './support.ts';

const programs = ['dash', 'env', 'sleep', 'tar', 'setpriv', 'cat', 'rm', 'ls'];

let found: Map<string, string[]> | undefined;

/** Libraries by the path of the program that loads them. They are looked for once a process: ldd starts two others for each. */
function librariesOf(path: string): string[] {
  if (found === undefined) {
    const paths = programs.map((name) => `/usr/bin/${name}`);
    const said = execFileSync('/usr/bin/ldd', paths, { encoding: 'utf8' });
    const [, ...parts] = said.split(/^(\/\S+):$/m);
    found = new Map(
      paths.map((one) => {
        const text = parts[parts.indexOf(one) + 1] ?? '';
        return [one, [...text.matchAll(/(\/\S+) \(0x/g)].map(([, library = '']) => library)];
      }),
    );
  }
  return found.get(path) ?? [];
}

/** The least that a build can run in, taken from this machine: a shell, what the sandbox needs, and their libraries. */
export function smallSystem(without: readonly string[] = []): LayerEntry[] {
  const paths = programs.filter((name) => !without.includes(name)).map((name) => `/usr/bin/${name}`);
  const libraries = new Set(paths.flatMap(librariesOf));
  return [
    ...['usr', 'usr/bin', 'usr/lib', 'usr/lib64'].map(dir),
    ...['bin', 'lib', 'lib64'].map((name) => link(name, `usr/${name}`)),
    link('usr/bin/sh', 'dash'),
    ...paths.map((path) => ({ ...file(path.slice(1)), body: readFileSync(path), mode: 0o755 })),
    ...[...libraries].map((path) => ({
      ...file(path.replace(/^\/(usr\/)?/, 'usr/')),
      body: readFileSync(realpathSync(path)),
      mode: 0o755,
    })),
  ];
}
