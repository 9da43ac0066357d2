import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { fetchLimits } from './limits.ts';

export interface ZippedFile {
  name: string;
  /** In hexadecimal. */
  sha256: string;
  crc: number;
  size: number;
  entry: Entry;
}

/** Names, hashes and sizes of the files in an archive. Throws where it is damaged or larger than the limits. */
export function filesOfZip(path: string): Promise<ZippedFile[]> {
  return withZip(path, filesOf);
}

async function withZip<T>(path: string, use: (zip: ZipFile) => Promise<T>): Promise<T> {
  const zip = await openPromise(path, { autoClose: false });
  try {
    return await use(zip);
  } finally {
    zip.close();
  }
}

async function filesOf(zip: ZipFile): Promise<ZippedFile[]> {
  const files: ZippedFile[] = [];
  let [bytes, names] = [0, 0];
  for await (const entry of zip.eachEntry()) {
    if (files.length === fetchLimits.archiveFilesMax) throw new Error('it holds more files than the limit');
    names += entry.fileNameLength + entry.extraFieldLength + entry.fileCommentLength;
    if (names > fetchLimits.archiveNamesBytesMax) throw new Error('its names are longer than the limit');
    const sha256 = createHash('sha256');
    let [crc, size] = [0, 0];
    for await (const chunk of contentOf(zip, entry)) {
      bytes += chunk.length;
      if (bytes > fetchLimits.archiveBytesMax) throw new Error('it unpacks to more than the limit');
      size += chunk.length;
      crc = crc32(chunk, crc);
      sha256.update(chunk);
    }
    files.push({ name: entry.fileName, sha256: sha256.digest('hex'), crc, size, entry });
  }
  return files;
}

async function* contentOf(zip: ZipFile, entry: Entry): AsyncGenerator<Buffer> {
  yield* (await zip.openReadStreamPromise(entry)) as AsyncIterable<Buffer>;
}

/** Rewrites an archive so that names and contents alone determine its bytes, as go.sum's hash does. @throws as `filesOfZip` */
export function remakeZip(path: string, into: string): Promise<void> {
  return withZip(path, async (zip) => {
    const files = await filesOf(zip);
    await pipeline(Readable.from(archiveOf(zip, files), { objectMode: false }), createWriteStream(into));
  });
}

/** Whether an archive is what `remakeZip` makes of it. False for one that cannot be read. */
export async function isRemadeZip(path: string): Promise<boolean> {
  try {
    return await withZip(path, async (zip) => {
      const files = await filesOf(zip);
      if (files.some(({ entry }) => entry.compressionMethod !== 0)) return false;
      return (await hashOf(archiveOf(zip, files))) === (await hashOf(createReadStream(path)));
    });
  } catch {
    return false;
  }
}

async function hashOf(bytes: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of bytes) hash.update(chunk);
  return hash.digest('hex');
}

/** 1980-01-01, the first day that the format knows. */
const firstDay = 0x21;
const utf8Flag = 0x800;
const fileMode = 0o100644;

/** ZIP, APPNOTE.TXT 4.3: local headers with contents, the directory, its end. */
async function* archiveOf(zip: ZipFile, files: readonly ZippedFile[]): AsyncGenerator<Buffer> {
  const sorted = files
    .map((file) => ({ ...file, title: Buffer.from(file.name) }))
    .sort((a, b) => Buffer.compare(a.title, b.title));
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { title, crc, size, entry } of sorted) {
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(utf8Flag, 2);
    common.writeUInt16LE(firstDay, 8);
    common.writeUInt32LE(crc, 10);
    common.writeUInt32LE(size, 14);
    common.writeUInt32LE(size, 18);
    common.writeUInt16LE(title.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, title]);
    yield local;
    yield* contentOf(zip, entry);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE((fileMode << 16) >>> 0, 6);
    rest.writeUInt32LE(offset, 10);
    directory.push(Buffer.from('PK\x01\x02\x14\x03', 'latin1'), common, rest, title);
    offset += local.length + size;
  }
  const listed = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(sorted.length, 8);
  end.writeUInt16LE(sorted.length, 10);
  end.writeUInt32LE(listed.length, 12);
  end.writeUInt32LE(offset, 16);
  yield listed;
  yield end;
}
