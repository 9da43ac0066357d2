import { z } from 'zod';
import { QuorateError } from '../base/errors.ts';
import { escapeLine } from '../base/escape.ts';
import { limits } from '../base/limits.ts';
import { compareTexts } from '../base/text.ts';
import { count, inOrder, sha256, text } from '../documents/base.ts';
import { dagJsonCid, decodeDocument, encodeCanonical, sha256Hex } from '../documents/canonical.ts';
import { jobSchema } from '../documents/job.ts';
import type { Entry, Integrity } from './entry.ts';
import { quote } from './fault.ts';
import { sameHash } from './integrity.ts';
import { dependencyLimits } from './limits.ts';
import type { Arch } from './platform.ts';
import { filesOfLocks, readLocks } from './read.ts';

const mismatch = (message: string): QuorateError => new QuorateError('DEPENDENCIES_MISMATCH', message);

/**
 * Compares an index with the lock files of one's own checkout: exactly what they demand, with their hashes. Returns that. Blobs:
 * `checkBlob`.
 * @throws {QuorateError} `DEPENDENCIES_MISMATCH` with the first entry that differs; `LOCK_…` where lock files cannot be read
 */
export function checkIndex(index: DependencyIndex, sources: LockSources): Entry[] {
  if (index.arch !== sources.arch)
    throw mismatch(`the index of dependencies is for ${index.arch}, and the job for ${sources.arch}`);
  checkLocks(index.locks, hashedLocks(sources));
  const entries = readLocks(sources.locks, sources.files, sources.arch);
  const demanded = distinctFiles(entries);
  const given = new Map(index.blobs.map((blob) => [blobKey(blob), blob]));
  for (const entry of demanded) {
    const blob = given.get(blobKey(entry));
    if (blob === undefined) throw mismatch(`${named(entry)} is in ${placeOf(entry)}, and not in the index`);
    checkHashes(blob, entry);
  }
  if (demanded.length === index.blobs.length) return entries;
  const keys = new Set(demanded.map(blobKey));
  const extra = index.blobs.find((blob) => !keys.has(blobKey(blob)));
  throw mismatch(`${extra === undefined ? 'an entry' : named(extra)} is in the index, and in no lock file`);
}

const named = ({ purl, file }: { purl: string; file: string }): string => `${quote(file)} of ${quote(purl)}`;
const placeOf = ({ lock, line }: Entry): string => `${escapeLine(lock, 200)}:${line}`;

function checkLocks(given: DependencyIndex['locks'], own: DependencyIndex['locks']): void {
  const hashes = new Map(given.map(({ path, sha256 }) => [path, sha256]));
  for (const { path, sha256 } of own) {
    if (hashes.get(path) !== sha256)
      throw mismatch(
        `the index of dependencies was made from another ${quote(path)} than the source tree has`,
      );
    hashes.delete(path);
  }
  for (const path of hashes.keys())
    throw mismatch(`the index of dependencies was made from ${quote(path)}, which the job does not name`);
}

function checkHashes({ integrity, sha256 }: DependencyBlob, entry: Entry): void {
  const own = entry.integrity;
  if (!sameHash(own, integrity) || (own.algorithm === 'sha256' && !own.digests.includes(sha256)))
    throw mismatch(`${named(entry)} has another hash in the index than in ${placeOf(entry)}`);
}

/**
 * Throws `DEPENDENCIES_MISMATCH` where the bytes of a blob are not those that the index and the lock file say. `digest` is by the algorithm
 * of its integrity (`dirhash` of a Go module), in hexadecimal.
 */
export function checkBlob(
  blob: DependencyBlob,
  { size, sha256, digest }: { size: number; sha256: string; digest: string },
): void {
  if (!blob.integrity.digests.includes(digest))
    throw mismatch(
      `the ${blob.integrity.algorithm} of ${named(blob)} is not the one that the lock file says`,
    );
  if (size !== blob.size || sha256 !== blob.sha256)
    throw mismatch(`${named(blob)} has other bytes than the index says`);
}

/** The name of the index in the tree of dependencies: the first one there, before the folder `sha256` with the files. */
export const indexName = 'index.json';

const integritySchema = z.strictObject({
  algorithm: z.enum(['sha512', 'sha384', 'sha256', 'dirhash']),
  digests: z
    .array(z.string().regex(/^[0-9a-f]{64,128}$/, 'not a digest in hexadecimal'))
    .min(1)
    .max(dependencyLimits.digestsMax)
    .refine(inOrder, 'not in order, each once'),
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

/** The dependencies of a job on one architecture as a DAG-JSON block, each with its blob. Everybody makes the same bytes (ADR 0042). */
const dependencyIndexSchema = z.strictObject({
  v: z.literal(1),
  arch: jobSchema.shape.arch,
  /** The files that it was made from, `quorate.lock` among them where the source tree has one; sorted by path. */
  locks: z
    .array(z.strictObject({ path: text(limits.pathBytesMax).min(1), sha256 }))
    .min(1)
    .max(limits.jobLocksMax + 1)
    .refine((locks) => inOrder(locks.map(({ path }) => path)), 'not in order, each once'),
  /** Sorted by package URL and file, each once. */
  blobs: z
    .array(blobSchema)
    .max(dependencyLimits.entriesMax)
    .refine((blobs) => inOrder(blobs.map(blobKey)), 'not in order, each once'),
});
export type DependencyIndex = z.infer<typeof dependencyIndexSchema>;
export type DependencyBlob = DependencyIndex['blobs'][number];

/** Sources of an index: paths of lock files, the files of the source tree (`filesOfLocks`), the architecture. */
export interface LockSources {
  locks: readonly string[];
  files: ReadonlyMap<string, Uint8Array>;
  arch: Arch;
}

/** The lock files by path, with their sha256. */
function hashedLocks({ locks, files }: LockSources): DependencyIndex['locks'] {
  return filesOfLocks(locks)
    .flatMap(({ path }) => {
      const bytes = files.get(path);
      return bytes === undefined ? [] : [{ path, sha256: sha256Hex(bytes) }];
    })
    .sort((a, b) => compareTexts(a.path, b.path));
}

/** Entries that are of one file from several origins, as one. In order. */
function distinctFiles(entries: readonly Entry[]): Entry[] {
  const byKey = new Map(entries.map((entry) => [blobKey(entry), entry]));
  return [...byKey].sort(([a], [b]) => compareTexts(a, b)).map(([, entry]) => entry);
}

/** The index of what the lock files demand. `entries`: of `readLocks` for these sources, where they were read before. */
export function makeIndex(
  sources: LockSources,
  blobOf: (entry: Entry) => Pick<DependencyBlob, 'sha256' | 'size'>,
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
