import { type Entry, type LocalFileHeader, parseExtraFields } from 'yauzl';
import { Irregular } from './archive-content.ts';

/*
 * A zip archive says several times where its members are and how long: in its directory, in front of each member, behind it, and twice at the
 * end. Readers go by different ones, so all have to say the same (APPNOTE.TXT 4.3).
 */

/** All bits set: the value stands in the form with 64 bits. */
const elsewhere = { u16: 0xffff, u32: 0xffffffff } as const;
const signatures = {
  descriptor: 0x08074b50,
  end: 0x06054b50,
  end64: 0x06064b50,
  locator: 0x07064b50,
} as const;

/** Sizes and offset of a large member. */
export const zip64Field = 0x0001;
/** Lengths of what may lie behind a member whose size was not known when it was begun. */
export const descriptorBytes: readonly number[] = [12, 16, 20, 24];
export const endBytes = 22;
export const end64Bytes = 56 + 20;

type Sizes = Pick<Entry, 'crc32' | 'compressedSize' | 'uncompressedSize'>;

/** Compares the header in front of a member with the directory. `later`: its sizes stand behind the member. @throws {Irregular} */
export function checkLocalHeader(entry: Entry, local: LocalFileHeader, later: boolean): void {
  const { crc32, compressedSize, uncompressedSize, relativeOffsetOfLocalHeader } = entry;
  const places: [stated: number, actual: number][] = [
    [local.crc32, crc32],
    [local.compressedSize, compressedSize],
    [local.uncompressedSize, uncompressedSize],
  ];
  const sizes = wide(local.extraField);
  for (const [at, [stated, actual]] of places.entries()) {
    const isWide = at > 0 && stated === elsewhere.u32 && sizes !== undefined;
    if (stated !== actual && !isWide && !(later && stated === 0))
      throw new Irregular('a member has two headers that differ');
  }
  const zeros = later ? [0] : [];
  checkWide(sizes, [
    [uncompressedSize, ...zeros],
    [compressedSize, ...zeros],
  ]);
  checkWide(wide(entry.extraFieldRaw), [[uncompressedSize], [compressedSize], [relativeOffsetOfLocalHeader]]);
}

/** The values with 64 bits in an extra field; undefined where there are none. */
function wide(extra: Buffer): number[] | undefined {
  const [data, second] = parseExtraFields(extra).flatMap((one) => (one.id === zip64Field ? [one.data] : []));
  if (second !== undefined) throw new Irregular('a member states its sizes twice');
  if (data === undefined) return undefined;
  const values = Array.from({ length: Math.floor(data.length / 8) }, (_, at) => u64(data, at * 8));
  // The number of a disk may follow.
  const rest = data.subarray(values.length * 8);
  if (![0, 4].includes(rest.length) || rest.some((byte) => byte !== 0))
    throw new Irregular('a member has an extra field that cannot be read');
  return values;
}

/** Values may be left out, and are in this order. */
function checkWide(values: readonly number[] = [], allowed: readonly (readonly number[])[]): void {
  let left = allowed;
  for (const value of values) {
    const at = left.findIndex((some) => some.includes(value));
    if (at === -1) throw new Irregular('a member has two headers that differ');
    left = left.slice(at + 1);
  }
}

/** Compares what lies behind a member with the directory. @throws {Irregular} */
export function checkDescriptor(bytes: Buffer, { crc32, compressedSize, uncompressedSize }: Sizes): void {
  const isSigned = bytes.length % 8 === 0;
  const own = bytes.subarray(isSigned ? 4 : 0);
  const size = (at: 0 | 1): number =>
    own.length === 12 ? own.readUInt32LE(4 + at * 4) : u64(own, 4 + at * 8);
  const same =
    (!isSigned || bytes.readUInt32LE() === signatures.descriptor) &&
    own.readUInt32LE() === crc32 &&
    size(0) === compressedSize &&
    size(1) === uncompressedSize;
  if (!same) throw new Irregular('a member has two headers that differ');
}

/** Where the directory is. `end`: behind its last byte. */
interface Directory {
  count: number;
  from: number;
  end: number;
}

/** Compares the end of an archive, without its comment, with its directory. @throws {Irregular} */
export function checkEnd(bytes: Buffer, { count, from, end }: Directory): void {
  const is64 = bytes.length === end64Bytes + endBytes;
  const at = is64 ? end64Bytes : 0;
  const narrow = (stated: number, actual: number, all: number) =>
    stated === actual || (is64 && stated === all);
  const u16 = (of: number) => bytes.readUInt16LE(at + of);
  const u32 = (of: number) => bytes.readUInt32LE(at + of);
  const same =
    u32(0) === signatures.end &&
    [4, 6].every((of) => narrow(u16(of), 0, elsewhere.u16)) &&
    [8, 10].every((of) => narrow(u16(of), count, elsewhere.u16)) &&
    narrow(u32(12), end - from, elsewhere.u32) &&
    narrow(u32(16), from, elsewhere.u32) &&
    (!is64 || isEnd64(bytes, { count, from, end }));
  if (!same) throw new Irregular('its end says something else than its directory');
}

function isEnd64(bytes: Buffer, { count, from, end }: Directory): boolean {
  const locator = bytes.subarray(56, end64Bytes);
  return (
    bytes.readUInt32LE() === signatures.end64 &&
    u64(bytes, 4) === 44 &&
    [16, 20].every((of) => bytes.readUInt32LE(of) === 0) &&
    [24, 32].every((of) => u64(bytes, of) === count) &&
    u64(bytes, 40) === end - from &&
    u64(bytes, 48) === from &&
    locator.readUInt32LE() === signatures.locator &&
    locator.readUInt32LE(4) === 0 &&
    u64(locator, 8) === end &&
    locator.readUInt32LE(16) <= 1
  );
}

/** Signature of a descriptor, which readers that do not know the size of a stored member look for in its content. */
const mark = Buffer.from([0x50, 0x4b, 0x07, 0x08]);

export class MarkFinder {
  #last = Buffer.alloc(0);
  found = false;

  push(chunk: Uint8Array): void {
    const all = Buffer.concat([this.#last, chunk]);
    this.found ||= all.includes(mark);
    this.#last = all.subarray(1 - mark.length);
  }
}

const u64 = (bytes: Buffer, at: number): number => Number(bytes.readBigUInt64LE(at));
