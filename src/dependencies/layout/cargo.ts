import { inBuild, type LaidFile, type Layout, type LockedFile, unsupported } from './types.ts';

const folder = 'dependencies/cargo';

/** A directory source a registry, as `cargo vendor` makes, so that two may have a crate of one name. The project's own configuration goes first. */
export function cargoLayout(crates: readonly LockedFile[]): Layout {
  const git = crates.find(({ origin }) => origin.kind !== 'registry');
  if (git !== undefined)
    throw unsupported(
      git,
      'crates from git repositories cannot be laid out',
      'Depend on a published version of it.',
    );
  const sources = Map.groupBy(crates, registryOf);
  const named = [...sources].map(([registry, members], index) => ({
    registry,
    members,
    name: `quorate-${index}`,
  }));
  return {
    files: [
      ...named.flatMap(({ members, name }) =>
        members.flatMap((crate) => crateFiles(crate, `${folder}/${name}`)),
      ),
      { path: '.cargo/config.toml', text: named.map(sourceConfig).join('\n') },
    ],
    env: { CARGO_NET_OFFLINE: 'true' },
  };
}

/** The registry as cargo's configuration names it; undefined for its own default, which a package URL leaves out. */
function registryOf({ origin, purl }: LockedFile): string | undefined {
  const named = origin.kind === 'registry' && /[?&]repository_url=/.test(purl) ? origin.registry : undefined;
  return named?.replace(/^registry\+/, '');
}

function crateFiles({ name, version, blob, integrity }: LockedFile, source: string): LaidFile[] {
  const path = `${source}/${name}-${version}`;
  const checksums = { files: {}, package: integrity.digests[0] };
  return [
    { path, crate: blob },
    { path: `${path}/.cargo-checksum.json`, text: JSON.stringify(checksums) },
  ];
}

/** Replaces a registry with a folder. Cargo knows its own default by a name. */
function sourceConfig({ registry, name }: { registry: string | undefined; name: string }): string {
  const replaced = registry === undefined ? 'crates-io' : `${name}-registry`;
  return [
    `[source.${replaced}]`,
    ...(registry === undefined ? [] : [`registry = ${JSON.stringify(registry)}`]),
    `replace-with = "${name}"`,
    `[source.${name}]`,
    `directory = "${inBuild(folder)}/${name}"`,
    '',
  ].join('\n');
}
