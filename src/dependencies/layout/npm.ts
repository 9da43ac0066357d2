import { createHash } from 'node:crypto';
import { inBuild, type LaidFile, type Layout, type LockedFile, unsupported } from './types.ts';

const cache = 'dependencies/npm';

/** Address without a server: npm's cache holds all that it asks this registry for. */
const registry = 'http://127.0.0.1:9/';

/** `accept` of npm's requests for the versions of a package, short and full. The cache compares it. */
const accepts = [
  'application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*',
  'application/json',
];

/**
 * The cache of npm 7 and newer (cacache: content-v2, index-v5). npm finds a package by its hash where the lock has its address; else it asks the
 * registry for the versions, so that list is made from the lock; for one without a hash it asks for the address.
 */
export function npmLayout(packages: readonly LockedFile[]): Layout {
  const git = packages.find(({ origin }) => origin.kind === 'git');
  if (git !== undefined)
    throw unsupported(git, 'npm fetches git dependencies with git', 'Depend on a published version of it.');
  const unaddressed = packages.filter(({ origin }) => origin.kind === 'registry' && origin.url === undefined);
  return {
    files: [
      ...packages.map((locked) => ({ path: contentPath(integrityOf(locked)), blob: locked.blob })),
      ...packages.flatMap(tarballIndex),
      ...[...Map.groupBy(unaddressed, ({ name }) => name)].flatMap(([name, versions]) =>
        versionList(name, versions),
      ),
    ],
    env: {
      npm_config_audit: 'false',
      npm_config_cache: inBuild(cache),
      npm_config_offline: 'true',
      npm_config_registry: registry,
    },
  };
}

/** The hash that npm looks for: the lock's own, where it has one. */
const integrityOf = ({ locked, integrity: { algorithm, digests } }: LockedFile): string =>
  locked ?? `${algorithm}-${Buffer.from(digests[0] ?? '', 'hex').toString('base64')}`;

const registryUrl = ({ name, file }: LockedFile): string => `${registry}${name}/-/${file}`;

/** Addresses that npm asks for: that of the lock, and the same at its own registry, which replaces that of the public one. */
function tarballIndex(locked: LockedFile): LaidFile[] {
  const { origin, blob } = locked;
  const urls =
    origin.url === undefined
      ? [registryUrl(locked)]
      : [origin.url, new URL(new URL(origin.url).pathname, registry).href];
  return urls.map((url) =>
    indexFile(url, [{ integrity: integrityOf(locked), size: blob.size, reqHeaders: {} }]),
  );
}

function versionList(name: string, packages: readonly LockedFile[]): LaidFile[] {
  const text = JSON.stringify({
    name,
    'dist-tags': {},
    // Settings of npm pass over versions that are young or have no time.
    time: Object.fromEntries(packages.map(({ version }) => [version, '2000-01-01T00:00:00.000Z'])),
    versions: Object.fromEntries(
      packages.map((locked) => {
        const dist = { tarball: registryUrl(locked), integrity: integrityOf(locked) };
        return [locked.version, { name, version: locked.version, dist }];
      }),
    ),
  });
  const integrity = `sha512-${createHash('sha512').update(text).digest('base64')}`;
  const size = Buffer.byteLength(text);
  return [
    { path: contentPath(integrity), text },
    indexFile(
      `${registry}${name.replace('/', '%2f')}`,
      accepts.map((accept) => ({ integrity, size, reqHeaders: { accept } })),
    ),
  ];
}

const algorithms = ['sha512', 'sha384', 'sha256', 'sha1', 'md5'];

/** Where the content of a hash is: of several, npm takes the strongest. */
function contentPath(integrity: string): string {
  const hashes = integrity.split(/\s+/);
  const algorithm = algorithms.find((name) => hashes.some((hash) => hash.startsWith(`${name}-`))) ?? '';
  const hash = hashes.find((one) => one.startsWith(`${algorithm}-`)) ?? '';
  const [base64 = ''] = hash.slice(algorithm.length + 1).split('?');
  return `${cache}/_cacache/content-v2/${algorithm}/${bucket(Buffer.from(base64, 'base64').toString('hex'))}`;
}

/** The cache's index of one URL: a line for each entry, after the sha1 of the line. */
function indexFile(
  url: string,
  entries: readonly { integrity: string; size: number; reqHeaders: Record<string, string> }[],
): LaidFile {
  const key = `make-fetch-happen:request-cache:${url}`;
  const lines = entries.map(({ integrity, size, reqHeaders }) => {
    const metadata = { time: 0, url, reqHeaders, resHeaders: {}, options: { compress: true } };
    const entry = JSON.stringify({ key, integrity, time: 0, size, metadata });
    return `\n${createHash('sha1').update(entry).digest('hex')}\t${entry}`;
  });
  const hash = createHash('sha256').update(key).digest('hex');
  return { path: `${cache}/_cacache/index-v5/${bucket(hash)}`, text: lines.join('') };
}

const bucket = (hex: string): string => `${hex.slice(0, 2)}/${hex.slice(2, 4)}/${hex.slice(4)}`;

const pnpmFolder = 'dependencies/pnpm';

/** A registry that is a folder: pnpm makes addresses from the registry's, and reads `file:` with `--offline`. For pnpm 9 to 12. */
export function pnpmLayout(packages: readonly LockedFile[]): Layout {
  const addressed = packages.find(({ origin }) => origin.kind !== 'registry' || origin.url !== undefined);
  if (addressed !== undefined) {
    const hint =
      'Have pnpm write the lock file without `lockfileIncludeTarballUrl`, with a published version of it.';
    throw unsupported(addressed, 'pnpm fetches what its lock file has an address of from there only', hint);
  }
  const registry = `file://${inBuild(pnpmFolder)}/`;
  return {
    files: packages.map(({ name, file, blob }) => ({ path: `${pnpmFolder}/${name}/-/${file}`, blob })),
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

const yarnFolder = 'dependencies/yarn';

/** The offline mirror of yarn 1: one folder of tarballs, named after their addresses. */
export function yarnLayout(packages: readonly LockedFile[]): Layout {
  return {
    files: packages.map((locked) => ({ path: `${yarnFolder}/${mirrorName(locked)}`, blob: locked.blob })),
    env: { YARN_YARN_OFFLINE_MIRROR: inBuild(yarnFolder) },
  };
}

/** Scope and last part of the address, as yarn names it (`getTarballMirrorPath` of its tarball fetcher). */
function mirrorName(locked: LockedFile): string {
  const { kind, url } = locked.origin;
  if (kind === 'git' || url === undefined) {
    const why = kind === 'git' ? 'yarn fetches git dependencies with git' : 'yarn.lock has no address of it';
    throw unsupported(locked, why, 'Depend on a published version of it, and have yarn write yarn.lock.');
  }
  const { pathname } = new URL(url);
  const [, scope, file] =
    /\/(?:(@[^/]+)(?:\/|%2f))?[^/]+\/(?:-|_attachments)\/(?:@[^/]+\/)?([^/]+)$/.exec(pathname) ?? [];
  const last = pathname.slice(pathname.lastIndexOf('/') + 1);
  if (last === '')
    throw unsupported(locked, 'its address names no file', 'Depend on a published version of it.');
  if (file === undefined) return last;
  return scope === undefined ? file : `${scope}-${file}`;
}
