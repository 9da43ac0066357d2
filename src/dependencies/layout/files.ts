import { inBuild, type Layout, type LockedFile } from './types.ts';

const folder = 'dependencies/files';

/** Files of no package, by their names. */
export function filesLayout(files: readonly LockedFile[]): Layout {
  return {
    files: files.map(({ file, blob }) => ({ path: `${folder}/${file}`, blob })),
    env: { QUORATE_FILES: inBuild(folder) },
  };
}
