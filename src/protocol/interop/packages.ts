import { base64OfHex, type DependencyBlob, type DependencyIndex, decoded } from '../lock-formats/index.ts';

/** A package with the files of it that a build may read. */
export interface LockedPackage {
  /** Package URL (ECMA-427). */
  purl: string;
  /** `npm`, `cargo`, `golang`, `pypi`, `generic`. */
  type: string;
  /** The scope of npm, with its `@`. */
  group?: string;
  /** As its registry spells it; of a Go module the whole path. */
  name: string;
  version?: string;
  /** In order of their names. */
  files: DependencyBlob[];
}

/** The packages of an index, in the order of their package URLs. */
export function packagesOf({ blobs }: DependencyIndex): LockedPackage[] {
  const byPurl = Map.groupBy(blobs, ({ purl }) => purl);
  return [...byPurl].map(([purl, files]) => ({ ...partsOf(purl), files }));
}

/** Whether all that the build has of a package is the list of what it requires: go.sum names those of modules whose code is not read. */
export const isWithoutCode = ({ type, files }: LockedPackage): boolean =>
  type === 'golang' && !files.some(({ file }) => file.endsWith('.zip'));

function partsOf(purl: string): Omit<LockedPackage, 'files'> {
  const [path = ''] = purl.slice('pkg:'.length).split('?', 1);
  const slash = path.indexOf('/');
  const type = path.slice(0, slash);
  const at = path.lastIndexOf('@');
  const full = decoded(path.slice(slash + 1, at === -1 ? undefined : at));
  const version = at === -1 ? {} : { version: decoded(path.slice(at + 1)) };
  const [, group, name = full] = (type === 'npm' && /^(@[^/]+)\/(.+)$/.exec(full)) || [];
  return { purl, type, ...(group !== undefined && { group }), name, ...version };
}

/** Digests of a file as in-toto names them, in hexadecimal; `dirHash` is the `h1:` of go.sum. */
export type FileDigests = { sha256: string } & Partial<Record<'sha384' | 'sha512' | 'dirHash', string>>;

/** The hashes of a file that workers compared; the sha256 alone where the lock file allows several. */
export function digestsOf({ sha256, integrity }: DependencyBlob): FileDigests {
  const { algorithm, digests } = integrity;
  const [digest, second] = digests;
  if (digest === undefined || second !== undefined || algorithm === 'sha256') return { sha256 };
  return { sha256, [algorithm === 'dirhash' ? 'dirHash' : algorithm]: digest };
}

/** The `h1:` of go.sum as it is written there. */
export const goSumOf = (dirHash: string): string => `h1:${base64OfHex(dirHash)}`;
