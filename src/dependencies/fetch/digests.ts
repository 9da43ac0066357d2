import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { dirhashOf, type Integrity } from '../../protocol/lock-formats/index.ts';
import { filesOfZip, isRemadeZip } from './module-zip.ts';

export interface FileDigests {
  /** By the algorithm that was asked for, in hexadecimal. */
  digest: string;
  sha256: string;
  size: number;
}

/** Digests of a file. `dirhash`: of a module archive's files, or of one go.mod. An unreadable or too large archive has `unreadable`. */
export async function digestsOf(
  path: string,
  algorithm: Integrity['algorithm'] | 'sha1',
  name: string,
): Promise<FileDigests> {
  const found = await digestsOver(createReadStream(path), algorithm);
  return isArchive(algorithm, name) ? { ...found, digest: await archiveDigest(path) } : found;
}

/** As `digestsOf` for a stream. A module archive is written to `spool` first; one that `remakeZip` would change is `unreadable`. */
export async function digestsOfBytes(
  bytes: AsyncIterable<Uint8Array>,
  algorithm: Integrity['algorithm'],
  { name, spool }: { name: string; spool: string },
): Promise<FileDigests> {
  if (!isArchive(algorithm, name)) return digestsOver(bytes, algorithm);
  try {
    await pipeline(bytes, createWriteStream(spool));
    const found = await digestsOf(spool, algorithm, name);
    return (await isRemadeZip(spool)) ? found : { ...found, digest: unreadable };
  } finally {
    await rm(spool, { force: true });
  }
}

const unreadable = 'unreadable';

/** Whether a hash is of the files in an archive. */
export const isArchive = (algorithm: string, name: string): boolean =>
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
