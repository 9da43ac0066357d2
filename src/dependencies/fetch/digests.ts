import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { openPromise } from 'yauzl';
import { dirhashOf, type Integrity } from '../../core/dependencies/index.ts';
import { fetchLimits } from './limits.ts';

export interface FileDigests {
  /** By the algorithm that was asked for, in hexadecimal. */
  digest: string;
  sha256: string;
  size: number;
}

/**
 * Digests of a file. `dirhash` is of the files in it where `name` is that of a module's archive, and of one go.mod otherwise;
 * an archive that cannot be read, or is larger than the limits, has the digest `unreadable`.
 */
export async function digestsOf(
  path: string,
  algorithm: Integrity['algorithm'] | 'sha1',
  name: string,
): Promise<FileDigests> {
  const found = await digestsOver(createReadStream(path), algorithm);
  return isArchive(algorithm, name) ? { ...found, digest: await archiveDigest(path) } : found;
}

/** The same of bytes in no file of their own; those of a module's archive are written to `spool`, and removed. */
export async function digestsOfBytes(
  bytes: AsyncIterable<Uint8Array>,
  algorithm: Integrity['algorithm'],
  { name, spool }: { name: string; spool: string },
): Promise<FileDigests> {
  if (!isArchive(algorithm, name)) return digestsOver(bytes, algorithm);
  try {
    await pipeline(bytes, createWriteStream(spool));
    return await digestsOf(spool, algorithm, name);
  } finally {
    await rm(spool, { force: true });
  }
}

const unreadable = 'unreadable';

const isArchive = (algorithm: string, name: string): boolean =>
  algorithm === 'dirhash' && name.endsWith('.zip');

async function digestsOver(
  bytes: AsyncIterable<Uint8Array>,
  algorithm: Integrity['algorithm'] | 'sha1',
): Promise<FileDigests> {
  const sha256 = createHash('sha256');
  const own = algorithm === 'sha256' || algorithm === 'dirhash' ? undefined : createHash(algorithm);
  let size = 0;
  for await (const chunk of bytes) {
    size += chunk.length;
    sha256.update(chunk);
    own?.update(chunk);
  }
  const hex = sha256.digest('hex');
  const digest =
    algorithm === 'dirhash' ? dirhashOf([{ name: 'go.mod', sha256: hex }]) : (own?.digest('hex') ?? hex);
  return { digest: digest ?? unreadable, sha256: hex, size };
}

async function archiveDigest(path: string): Promise<string> {
  try {
    return dirhashOf(await filesOfZip(path)) ?? unreadable;
  } catch {
    return unreadable;
  }
}

/** Names and hashes of the files in an archive. Throws where it is damaged or larger than the limits. */
async function filesOfZip(path: string): Promise<{ name: string; sha256: string }[]> {
  const zip = await openPromise(path);
  const files: { name: string; sha256: string }[] = [];
  let bytes = 0;
  try {
    for await (const entry of zip.eachEntry()) {
      if (files.length === fetchLimits.archiveFilesMax) throw new Error('it holds more files than the limit');
      const sha256 = createHash('sha256');
      for await (const chunk of (await zip.openReadStreamPromise(entry)) as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > fetchLimits.archiveBytesMax) throw new Error('it unpacks to more than the limit');
        sha256.update(chunk);
      }
      files.push({ name: entry.fileName, sha256: sha256.digest('hex') });
    }
    return files;
  } finally {
    zip.close();
  }
}
