import { inBuild, type Layout, type LockedFile, unsupported } from './types.ts';

const folder = 'dependencies/pnpm';

/** A registry that is a folder: pnpm makes addresses from the registry's, and reads `file:` with `--offline`. For pnpm 9 to 12. */
export function pnpmLayout(packages: readonly LockedFile[]): Layout {
  const addressed = packages.find(({ origin }) => origin.kind !== 'registry' || origin.url !== undefined);
  if (addressed !== undefined) {
    const hint =
      'Have pnpm write the lock file without `lockfileIncludeTarballUrl`, with a published version of it.';
    throw unsupported(addressed, 'pnpm fetches what its lock file has an address of from there only', hint);
  }
  const registry = `file://${inBuild(folder)}/`;
  return {
    files: packages.map(({ name, file, blob }) => ({ path: `${folder}/${name}/-/${file}`, blob })),
    env: {
      npm_config_offline: 'true',
      npm_config_registry: registry,
      // pnpm 11 and newer read these, and compare the age of each version with what a registry says of it.
      pnpm_config_minimum_release_age: '0',
      pnpm_config_offline: 'true',
      pnpm_config_registry: registry,
    },
  };
}
