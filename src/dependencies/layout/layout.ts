import { assert, QuorateError } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { cargoLayout } from './cargo.ts';
import { npmLayout, pnpmLayout, yarnLayout } from './npm.ts';
import {
  escapedModule,
  inBuild,
  type LaidFile,
  type Layout,
  type LockedFile,
  layoutFolders,
  unsupported,
} from './types.ts';

const filesFolder = 'dependencies/files';

/** Files of no package, by their names. */
function filesLayout(files: readonly LockedFile[]): Layout {
  return {
    files: files.map(({ file, blob }) => ({ path: `${filesFolder}/${file}`, blob })),
    env: { QUORATE_FILES: inBuild(filesFolder) },
  };
}

const pipFolder = 'dependencies/pip';

/** A folder of wheels and source archives in which pip looks for what it installs, build requirements too. */
function pipLayout(files: readonly LockedFile[]): Layout {
  const addressed = files.find(({ origin }) => origin.kind !== 'registry');
  if (addressed !== undefined) {
    const why = 'pip fetches a requirement with an address from there only';
    throw unsupported(addressed, why, 'Write NAME==VERSION, with quorate.lock naming the file.');
  }
  return {
    files: files.map(({ file, blob }) => ({ path: `${pipFolder}/${file}`, blob })),
    env: { PIP_DISABLE_PIP_VERSION_CHECK: '1', PIP_FIND_LINKS: inBuild(pipFolder), PIP_NO_INDEX: '1' },
  };
}

const goFolder = 'dependencies/go';

/** The files of a module proxy. go checks each against go.sum. Where `quorate.lock` has no `.info`, one with the version alone is made. */
function goLayout(modules: readonly LockedFile[]): Layout {
  const given = modules.map(({ name, file, blob }) => ({
    path: `${versions(name)}/${escapedModule(file)}`,
    blob,
  }));
  const paths = new Set(given.map(({ path }) => path));
  const infos = new Map(
    modules.map(({ name, version }): [string, LaidFile] => {
      const path = `${versions(name)}/${escapedModule(version)}.info`;
      return [path, { path, text: JSON.stringify({ Version: version }) }];
    }),
  );
  return {
    files: [...given, ...[...infos.values()].filter(({ path }) => !paths.has(path))],
    env: { GOPROXY: `file://${inBuild(goFolder)}`, GOSUMDB: 'off', GOTOOLCHAIN: 'local' },
  };
}

const versions = (name: string): string => `${goFolder}/${escapedModule(name)}/@v`;

type Ecosystem = LockedFile['ecosystem'];
type Tool = (files: readonly LockedFile[]) => Layout;

/** Tools of an ecosystem that has several, by the names of their lock files. */
const toolsByLock: Readonly<Record<string, Tool>> = {
  'package-lock.json': npmLayout,
  'npm-shrinkwrap.json': npmLayout,
  'pnpm-lock.yaml': pnpmLayout,
  'yarn.lock': yarnLayout,
};

const tools: Readonly<Record<Exclude<Ecosystem, 'npm'>, Tool>> = {
  cargo: cargoLayout,
  go: goLayout,
  pypi: pipLayout,
  generic: filesLayout,
};

/**
 * Files in a sandbox from which the tools of these lock files install offline, with the source as it is. A pure
 * function of the lock files' entries, and part of the sandbox profile: another layout is another version of that.
 * @param locks paths of the job's lock files @param files all that they demand, checked
 * @throws DEPENDENCIES_UNSUPPORTED, DEPENDENCIES_CONFLICT
 */
export function layOut(locks: readonly string[], files: readonly LockedFile[]): Layout {
  const of = (ecosystem: Ecosystem) => files.filter((file) => file.ecosystem === ecosystem);
  const npmTools = new Set(locks.flatMap((path) => toolsByLock[path.slice(path.lastIndexOf('/') + 1)] ?? []));
  return merged([
    ...[...npmTools].map((tool) => tool(of('npm'))),
    ...Object.entries(tools).flatMap(([ecosystem, tool]) => {
      const those = of(ecosystem as Ecosystem);
      return those.length === 0 ? [] : [tool(those)];
    }),
  ]);
}

function merged(layouts: readonly Layout[]): Layout {
  const files = new Map<string, LaidFile>();
  for (const file of layouts.flatMap((layout) => layout.files)) {
    const { path } = file;
    assert(isInside(path), `${path} is a path of a layout`);
    if (path.split('/').some((part) => Buffer.byteLength(part) > limits.nameBytesMax)) throw tooLong(path);
    const before = files.get(path);
    if (before !== undefined && contentOf(before) !== contentOf(file))
      throw conflict(`two different files would be /build/${path}`);
    files.set(path, file);
  }
  const env: Record<string, string> = {};
  for (const [name, value] of layouts.flatMap((layout) => Object.entries(layout.env))) {
    if ((env[name] ?? value) !== value) throw conflict(`two tools need different values of ${name}`);
    env[name] = value;
  }
  return { files: [...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1)), env };
}

const contentOf = (file: LaidFile): string =>
  'text' in file
    ? `text ${file.text}`
    : 'crate' in file
      ? `crate ${file.crate.name}`
      : `blob ${file.blob.name}`;

/** Names were checked where the lock files were read. */
const isInside = (path: string): boolean => {
  const [top, ...parts] = path.split('/');
  return (
    layoutFolders.some((folder) => folder === top) && parts.every((part) => !['', '.', '..'].includes(part))
  );
};

const tooLong = (path: string): QuorateError =>
  new QuorateError(
    'DEPENDENCIES_UNSUPPORTED',
    `/build/${path.slice(0, 300)}: a name in it is longer than the ${limits.nameBytesMax} bytes that a file system takes`,
    { hint: 'Depend on it by a shorter name or address.' },
  );

const conflict = (what: string): QuorateError =>
  new QuorateError('DEPENDENCIES_CONFLICT', what, { hint: 'Give the lock files to two jobs.' });
