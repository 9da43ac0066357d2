import { inBuild, type LaidFile, type Layout, type LockedFile } from './types.ts';

const folder = 'dependencies/go';

/** The files of a module proxy. go checks each against go.sum. Where `quorate.lock` has no `.info`, one with the version alone is made. */
export function goLayout(modules: readonly LockedFile[]): Layout {
  const given = modules.map(({ name, file, blob }) => ({ path: `${versions(name)}/${escaped(file)}`, blob }));
  const paths = new Set(given.map(({ path }) => path));
  const infos = new Map(
    modules.map(({ name, version }): [string, LaidFile] => {
      const path = `${versions(name)}/${escaped(version)}.info`;
      return [path, { path, text: JSON.stringify({ Version: version }) }];
    }),
  );
  return {
    files: [...given, ...[...infos.values()].filter(({ path }) => !paths.has(path))],
    env: { GOPROXY: `file://${inBuild(folder)}`, GOSUMDB: 'off', GOTOOLCHAIN: 'local' },
  };
}

const versions = (name: string): string => `${folder}/${escaped(name)}/@v`;

/** Capital letters as `!` and the small one (golang.org/x/mod/module, EscapePath). */
const escaped = (text: string): string => text.replace(/[A-Z]/g, (letter) => `!${letter.toLowerCase()}`);
