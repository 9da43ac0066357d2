import { z } from 'zod';
import { limits } from '../base/limits.ts';
import { compareTexts } from '../base/order.ts';
import { count, sha256, text } from '../documents/base.ts';
import { dagJsonCid, decodeDocument, encodeCanonical, sha256Hex } from '../documents/canonical.ts';
import { jobSchema } from '../documents/job.ts';
import type { Entry, Integrity } from './entry.ts';
import { dependencyLimits } from './limits.ts';
import type { Arch } from './platform.ts';
import { filesOfLocks, readLocks } from './read.ts';

/** The name of the index in the tree of dependencies: the first one there, before the folder `sha256` with the files. */
export const indexName = 'index.json';

const ordered = (keys: readonly string[]): boolean =>
  keys.every((key, n) => n === 0 || (keys[n - 1] ?? '') < key);

const integritySchema = z.strictObject({
  algorithm: z.enum(['sha512', 'sha384', 'sha256', 'dirhash']),
  digests: z
    .array(z.string().regex(/^[0-9a-f]{64,128}$/, 'not a digest in hexadecimal'))
    .min(1)
    .max(dependencyLimits.digestsMax)
    .refine(ordered, 'not in order, each once'),
});

/** One file that a build may read. */
const blobSchema = z.strictObject({
  /** The package that it is of, and the name that the file has at its registry. */
  purl: text(dependencyLimits.purlCharsMax).min(1),
  file: text(limits.nameBytesMax).min(1),
  /** The hash in the lock file. */
  integrity: integritySchema,
  sha256,
  /** Bytes. */
  size: count,
});

/** The key by which blobs are ordered. A space stands in neither part. */
export const blobKey = ({ purl, file }: { purl: string; file: string }): string => `${purl} ${file}`;

/**
 * The dependencies of a job, as a DAG-JSON block: what the lock files of its source tree demand on one architecture, each with the
 * blob that holds it. Everybody who has lock files and blobs makes the same bytes (docs/adr/0042).
 */
const dependencyIndexSchema = z.strictObject({
  v: z.literal(1),
  arch: jobSchema.shape.arch,
  /** The files that it was made from, `quorate.lock` among them where the source tree has one; sorted by path. */
  locks: z
    .array(z.strictObject({ path: text(limits.pathBytesMax).min(1), sha256 }))
    .min(1)
    .max(limits.jobLocksMax + 1)
    .refine((locks) => ordered(locks.map(({ path }) => path)), 'not in order, each once'),
  /** Sorted by package URL and file, each once. */
  blobs: z
    .array(blobSchema)
    .max(dependencyLimits.entriesMax)
    .refine((blobs) => ordered(blobs.map(blobKey)), 'not in order, each once'),
});
export type DependencyIndex = z.infer<typeof dependencyIndexSchema>;
export type DependencyBlob = DependencyIndex['blobs'][number];

/** Sources of an index: paths of lock files, the files of the source tree (`filesOfLocks`), the architecture. */
export interface LockSources {
  locks: readonly string[];
  files: ReadonlyMap<string, Uint8Array>;
  arch: Arch;
}

/** The blob of one entry. */
export type BlobFacts = Pick<DependencyBlob, 'sha256' | 'size'>;

/** The lock files by path, with their sha256. */
export function hashedLocks({ locks, files }: LockSources): DependencyIndex['locks'] {
  return filesOfLocks(locks)
    .flatMap(({ path }) => {
      const bytes = files.get(path);
      return bytes === undefined ? [] : [{ path, sha256: sha256Hex(bytes) }];
    })
    .sort((a, b) => compareTexts(a.path, b.path));
}

/** Entries that are of one file from several origins, as one. In order. */
export function distinctFiles(entries: readonly Entry[]): Entry[] {
  const byKey = new Map(entries.map((entry) => [blobKey(entry), entry]));
  return [...byKey].sort(([a], [b]) => compareTexts(a, b)).map(([, entry]) => entry);
}

/**
 * The index of what the lock files demand; `blobOf` has what was fetched for each entry. `entries`: what `readLocks` returned for these
 * sources, where they were read before. Throws `LOCK_…`.
 */
export function makeIndex(
  sources: LockSources,
  blobOf: (entry: Entry) => BlobFacts,
  entries: readonly Entry[] = readLocks(sources.locks, sources.files, sources.arch),
): DependencyIndex {
  const blobs = distinctFiles(entries).map((entry): DependencyBlob => {
    const { sha256, size } = blobOf(entry);
    const { purl, file, integrity } = entry;
    return { purl, file, integrity: copyOf(integrity), sha256, size };
  });
  return { v: 1, arch: sources.arch, locks: hashedLocks(sources), blobs };
}

const copyOf = ({ algorithm, digests }: Integrity): Integrity => ({ algorithm, digests: [...digests] });

/** The block, and its CID. */
export function encodeIndex(index: DependencyIndex): { bytes: Uint8Array; cid: string } {
  const bytes = encodeCanonical(index);
  return { bytes, cid: dagJsonCid(bytes) };
}

/** Throws `DOC_…` for anything but an index in canonical form. Says nothing about what is in it: `checkIndex`. */
export function decodeIndex(bytes: Uint8Array): { index: DependencyIndex; cid: string } {
  const { indexBytesMax } = dependencyLimits;
  const index = decodeDocument('index of dependencies', bytes, dependencyIndexSchema, indexBytesMax);
  return { index, cid: dagJsonCid(bytes) };
}
