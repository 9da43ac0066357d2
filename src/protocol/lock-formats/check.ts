import { QuorateError } from '../base/errors.ts';
import { escapeLine } from '../base/escape.ts';
import type { Entry } from './entry.ts';
import { quote } from './fault.ts';
import {
  blobKey,
  type DependencyBlob,
  type DependencyIndex,
  distinctFiles,
  hashedLocks,
  type LockSources,
} from './index-document.ts';
import { readLocks } from './read.ts';

const mismatch = (message: string): QuorateError => new QuorateError('DEPENDENCIES_MISMATCH', message);

/**
 * Compares an index with the lock files of one's own checkout: it has to name what they demand, with the hashes that they say, and
 * nothing else. Returns what they demand. Says nothing about the bytes of the blobs: `checkBlob`.
 * Throws `DEPENDENCIES_MISMATCH`, which names the first entry that differs, and `LOCK_…` where the lock files cannot be read.
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
  const same = own.algorithm === integrity.algorithm && own.digests.join() === integrity.digests.join();
  if (!same || (own.algorithm === 'sha256' && !own.digests.includes(sha256)))
    throw mismatch(`${named(entry)} has another hash in the index than in ${placeOf(entry)}`);
}

/**
 * Digests computed over the bytes of a blob: its size, its sha256, and its digest by the algorithm of its integrity (`dirhash` of the
 * files in it, for a module of Go), in hexadecimal.
 */
export interface BlobDigests {
  size: number;
  sha256: string;
  digest: string;
}

/** Throws `DEPENDENCIES_MISMATCH` where the bytes of a blob are not those that the index and the lock file say. */
export function checkBlob(blob: DependencyBlob, { size, sha256, digest }: BlobDigests): void {
  if (!blob.integrity.digests.includes(digest))
    throw mismatch(
      `the ${blob.integrity.algorithm} of ${named(blob)} is not the one that the lock file says`,
    );
  if (size !== blob.size || sha256 !== blob.sha256)
    throw mismatch(`${named(blob)} has other bytes than the index says`);
}
