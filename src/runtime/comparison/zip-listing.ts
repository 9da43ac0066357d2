import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { type Entry, type LocalFileHeader, openPromise, parseExtraFields, type ZipFile } from 'yauzl';
import { messageOf, QuorateError } from '../../core/errors.ts';
import { Irregular, inflateWhole, type UnpackBudget } from './archive-content.ts';
import { type Listing, type Member, memberPath, whyOrderCounts } from './listing.ts';

/** Signatures and sizes of the zip format (APPNOTE.TXT). */
const endBytes = 22;
const end64Bytes = 56 + 20;
const descriptorBytes = [0, 12, 16, 20, 24];
const flag = { encrypted: 1, level: 6, descriptor: 8 } as const;
/** Internal attribute that zip guesses from the content, not at all levels of compression. */
const looksLikeText = 1;
/** Extra fields of times: NTFS, and those of Info-ZIP. */
const timeFields = new Set([0x000a, 0x5455]);
/** Sizes and offset of a large member: they follow from its content. */
const zip64Field = 0x0001;

export const isZip = (head: Buffer): boolean =>
  head.length >= 4 && [0x04034b50, 0x06054b50].includes(head.readUInt32LE());

/**
 * The members of a zip archive on disk. Every byte of it is accounted for: nothing lies before, between and behind members and
 * directory, and the header in front of each member says the same as the directory. Throws `Irregular`, `COMPARE_TOO_LARGE`.
 */
export async function listZip(file: string, budget: UnpackBudget): Promise<Listing> {
  try {
    const zip = await openPromise(file, { decodeStrings: false, autoClose: false });
    try {
      return await listOpened(zip, budget);
    } finally {
      zip.close();
    }
  } catch (error) {
    if (error instanceof QuorateError || error instanceof Irregular) throw error;
    throw new Irregular(`it is not a whole zip archive: ${messageOf(error)}`);
  }
}

async function listOpened(zip: ZipFile, budget: UnpackBudget): Promise<Listing> {
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
  const byPlace = checkPlaces(places, directoryAt);
  const isStoredInOrder = byPlace.every((place, at) => place === places[at]);
  return {
    format: 'zip',
    ...{ members, padding: 0, outer: comment.toString('hex') },
    orderCounts: isStoredInOrder
      ? whyOrderCounts(members)
      : 'its directory has another order than its members',
  };
}

interface Place {
  from: number;
  to: number;
  hasDescriptor: boolean;
}

function placeOf(entry: Entry, { fileDataStart }: LocalFileHeader): Place {
  return {
    from: entry.relativeOffsetOfLocalHeader,
    to: fileDataStart + entry.compressedSize,
    hasDescriptor: (entry.generalPurposeBitFlag & flag.descriptor) !== 0,
  };
}

/** Throws `Irregular` where members overlap, or bytes belong to none. Returns them in their order in the file. */
function checkPlaces(places: readonly Place[], directoryAt: number): Place[] {
  const sorted = places.toSorted((a, b) => a.from - b.from);
  let at = 0;
  let mayHave = [0];
  for (const { from, to, hasDescriptor } of [...sorted, { from: directoryAt, to: 0, hasDescriptor: false }]) {
    if (!mayHave.includes(from - at)) throw new Irregular('it has bytes that belong to no member');
    at = to;
    mayHave = hasDescriptor ? descriptorBytes.slice(1) : [0];
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
  const { size, sha256 } = await digest(zip, entry, budget);
  const name = raw.toString('utf8');
  // Unix attributes are in the upper half, where the file was made on such a system.
  const mode = entry.versionMadeBy >> 8 === 3 ? entry.externalFileAttributes >>> 16 : 0;
  const isLink = (mode & 0o170000) === 0o120000;
  const [extra, localExtra] = [entry.extraFieldRaw, local.extraField].map(sortExtra);
  return {
    path: memberPath(name),
    kind: isLink ? 'link' : name.endsWith('/') ? 'dir' : 'file',
    ...{ size, sha256, mode: mode & 0o7777 },
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
  let [sum, size] = [0, 0];
  for await (const chunk of content) {
    if (compressionMethod === 0) budget.bytes(chunk.length);
    hash.update(chunk);
    sum = crc32(chunk, sum);
    size += chunk.length;
  }
  if (sum !== entry.crc32 || size !== uncompressedSize)
    throw new Irregular('a member does not have the checksum or the length that is stated');
  return { size, sha256: hash.digest('hex') };
}
