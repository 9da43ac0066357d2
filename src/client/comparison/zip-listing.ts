import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { type Entry, type LocalFileHeader, openPromise, parseExtraFields, type ZipFile } from 'yauzl';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { Irregular, inflateWhole, type UnpackBudget } from './archive-content.ts';
import { type Listing, type Member, memberPath, whyOrderCounts } from './listing.ts';
import {
  checkDescriptor,
  checkEnd,
  checkLocalHeader,
  descriptorBytes,
  end64Bytes,
  endBytes,
  MarkFinder,
  zip64Field,
} from './zip-structure.ts';

const flag = { encrypted: 1, level: 6, descriptor: 8 } as const;
/** Internal attribute that zip guesses from the content, not at all levels of compression. */
const looksLikeText = 1;
/** Extra fields of times: NTFS, and those of Info-ZIP. */
const timeFields = new Set([0x000a, 0x5455]);

export const isZip = (head: Buffer): boolean =>
  head.length >= 4 && [0x04034b50, 0x06054b50].includes(head.readUInt32LE());

/**
 * The members of a zip archive on disk. Every byte counts: nothing lies between members, directory and end, and the headers in front of and
 * behind each member say the same as the directory. @throws {Irregular}, COMPARE_TOO_LARGE
 */
export async function listZip(file: string, budget: UnpackBudget): Promise<Listing> {
  try {
    const handle = await open(file);
    try {
      const zip = await openPromise(file, { decodeStrings: false, autoClose: false });
      try {
        return await listOpened(zip, handle, budget);
      } finally {
        zip.close();
      }
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof QuorateError || error instanceof Irregular) throw error;
    throw new Irregular(`it is not a whole zip archive: ${messageOf(error)}`);
  }
}

async function listOpened(zip: ZipFile, handle: FileHandle, budget: UnpackBudget): Promise<Listing> {
  const cursor = () => zip.readEntryCursor as unknown as number;
  const directoryAt = cursor();
  const members: Member[] = [];
  const places: Place[] = [];
  for await (const entry of zip.eachEntry()) {
    budget.member();
    const local = await zip.readLocalFileHeaderPromise(entry);
    places.push(placeOf(entry, local));
    members.push(await memberOf(zip, entry, local, budget));
  }
  // With `decodeStrings: false` it is a buffer.
  const comment = Buffer.from(zip.comment as unknown as Uint8Array);
  const behind = zip.fileSize - cursor() - comment.length;
  if (behind !== endBytes && behind !== endBytes + end64Bytes)
    throw new Irregular('it has bytes between its directory and its end');
  const end = await bytesAt(handle, cursor(), behind);
  checkEnd(end, { count: members.length, from: directoryAt, end: cursor() });
  const byPlace = await checkPlaces(places, directoryAt, handle);
  const isStoredInOrder = byPlace.every((place, at) => place === places[at]);
  return {
    format: 'zip',
    members,
    padding: 0,
    outer: comment.toString('hex'),
    orderCounts: isStoredInOrder
      ? whyOrderCounts(members)
      : 'its directory has another order than its members',
  };
}

const bytesAt = async (handle: FileHandle, from: number, count: number): Promise<Buffer> =>
  (await handle.read(Buffer.alloc(count), 0, count, from)).buffer;

interface Place {
  from: number;
  to: number;
  entry: Entry;
}

const hasDescriptor = ({ generalPurposeBitFlag }: Entry): boolean =>
  (generalPurposeBitFlag & flag.descriptor) !== 0;

const placeOf = (entry: Entry, { fileDataStart }: LocalFileHeader): Place => ({
  from: entry.relativeOffsetOfLocalHeader,
  to: fileDataStart + entry.compressedSize,
  entry,
});

/** @throws {Irregular} */
async function checkPlaces(
  places: readonly Place[],
  directoryAt: number,
  handle: FileHandle,
): Promise<Place[]> {
  const sorted = places.toSorted((a, b) => a.from - b.from);
  if ((sorted[0]?.from ?? directoryAt) !== 0) throw new Irregular('it has bytes that belong to no member');
  for (const [at, { to, entry }] of sorted.entries()) {
    const behind = (sorted[at + 1]?.from ?? directoryAt) - to;
    if (!(hasDescriptor(entry) ? descriptorBytes : [0]).includes(behind))
      throw new Irregular('it has bytes that belong to no member');
    if (behind > 0) checkDescriptor(await bytesAt(handle, to, behind), entry);
  }
  return sorted;
}

async function memberOf(
  zip: ZipFile,
  entry: Entry,
  local: LocalFileHeader,
  budget: UnpackBudget,
): Promise<Member> {
  const raw = entry.fileNameRaw;
  if (!local.fileName.equals(raw)) throw new Irregular('a member has two names');
  const flags = entry.generalPurposeBitFlag;
  if (local.generalPurposeBitFlag !== flags || local.compressionMethod !== entry.compressionMethod)
    throw new Irregular('a member has two headers that differ');
  if ((flags & flag.encrypted) !== 0) throw new Irregular('a member is encrypted');
  checkLocalHeader(entry, local, hasDescriptor(entry));
  const { size, sha256 } = await digest(zip, entry, budget);
  const name = raw.toString('utf8');
  // Unix attributes are in the upper half, where the file was made on such a system.
  const mode = entry.versionMadeBy >> 8 === 3 ? entry.externalFileAttributes >>> 16 : 0;
  const isLink = (mode & 0o170000) === 0o120000;
  const [extra, localExtra] = [entry.extraFieldRaw, local.extraField].map(sortExtra);
  return {
    path: memberPath(name),
    kind: isLink ? 'link' : name.endsWith('/') ? 'dir' : 'file',
    size,
    sha256,
    mode: mode & 0o7777,
    rest: JSON.stringify([
      ...[raw.toString('hex'), entry.versionMadeBy, entry.internalFileAttributes & ~looksLikeText],
      ...[entry.externalFileAttributes, flags & ~(flag.level | flag.descriptor)],
      ...[extra?.rest, localExtra?.rest, entry.fileCommentRaw.toString('hex')],
    ]),
    times: JSON.stringify([
      ...[entry.lastModFileDate, entry.lastModFileTime, extra?.times],
      ...[local.lastModFileDate, local.lastModFileTime, localExtra?.times],
    ]),
  };
}

function sortExtra(bytes: Buffer): { rest: string[]; times: string[] } {
  const text = ({ id, data }: { id: number; data: Buffer }) => `${id}:${data.toString('hex')}`;
  const all = parseExtraFields(bytes).filter(({ id }) => id !== zip64Field);
  const read = parseExtraFields(bytes).reduce((sum, { data }) => sum + 4 + data.length, 0);
  if (read !== bytes.length) throw new Irregular('a member has an extra field that cannot be read');
  return {
    rest: all.filter(({ id }) => !timeFields.has(id)).map(text),
    times: all.filter(({ id }) => timeFields.has(id)).map(text),
  };
}

async function digest(
  zip: ZipFile,
  entry: Entry,
  budget: UnpackBudget,
): Promise<{ size: number; sha256: string }> {
  const { compressedSize, compressionMethod, uncompressedSize } = entry;
  const packed = await zip.openReadStreamPromise(entry, { decodeFileData: false });
  const bytes = packed as AsyncIterable<Uint8Array>;
  if (compressionMethod !== 0 && compressionMethod !== 8)
    throw new Irregular(`a member is compressed by method ${compressionMethod}, which is not read`);
  const content = compressionMethod === 0 ? bytes : inflateWhole(bytes, compressedSize, budget);
  const hash = createHash('sha256');
  const marks = new MarkFinder();
  let [sum, size] = [0, 0];
  for await (const chunk of content) {
    if (compressionMethod === 0) budget.bytes(chunk.length);
    if (compressionMethod === 0 && hasDescriptor(entry)) marks.push(chunk);
    hash.update(chunk);
    sum = crc32(chunk, sum);
    size += chunk.length;
  }
  if (sum !== entry.crc32 || size !== uncompressedSize)
    throw new Irregular('a member does not have the checksum or the length that is stated');
  if (marks.found) throw new Irregular('a member has no end that all readers find');
  return { size, sha256: hash.digest('hex') };
}
