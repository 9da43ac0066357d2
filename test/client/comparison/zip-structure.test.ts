import { describe, expect, it } from 'vitest';
import {
  checkDescriptor,
  checkEnd,
  checkLocalHeader,
  MarkFinder,
} from '../../../src/client/comparison/zip-structure.ts';

/** Offsets of bytes that may have another value by what `check` says. */
function free(bytes: Buffer, check: (changed: Buffer) => void): number[] {
  check(bytes);
  return [...bytes.keys()].filter((at) => {
    const changed = Buffer.from(bytes);
    changed.writeUInt8(changed.readUInt8(at) ^ 0x55, at);
    try {
      check(changed);
      return true;
    } catch (error) {
      expect(String(error)).toMatch(/header|directory/);
      return false;
    }
  });
}

const u16 = (value: number) => Buffer.from([value & 0xff, value >> 8]);
const u32 = (value: number) => Buffer.concat([u16(value & 0xffff), u16(value >>> 16)]);
const u64 = (value: number) => Buffer.concat([u32(value), u32(0)]);

describe('the end of a zip', () => {
  const directory = { count: 3, from: 0x1234, end: 0x2345 };
  const size = directory.end - directory.from;
  const end = (count = 3, bytes = size, from = 0x1234, disk = 0) =>
    Buffer.concat([
      ...[Buffer.from('PK\x05\x06', 'latin1'), u16(disk), u16(disk), u16(count), u16(count)],
      ...[u32(bytes), u32(from), u16(0)],
    ]);
  const end64 = Buffer.concat([
    ...[Buffer.from('PK\x06\x06', 'latin1'), u64(44), u16(45), u16(45), u32(0), u32(0)],
    ...[u64(3), u64(3), u64(size), u64(0x1234)],
    ...[Buffer.from('PK\x06\x07', 'latin1'), u32(0), u64(0x2345), u32(1)],
  ]);
  const check = (bytes: Buffer) => checkEnd(bytes, directory);

  it('says all that its directory is, in each byte but the length of its comment', () => {
    expect(free(end(), check)).toEqual([20, 21]);
  });

  it('says it with 64 bits too, but for versions of programs and lengths', () => {
    const versions = [12, 13, 14, 15];
    expect(free(Buffer.concat([end64, end()]), check)).toEqual([...versions, 76 + 20, 76 + 21]);
    const elsewhere = end(0xffff, 0xffffffff, 0xffffffff, 0xffff);
    expect(free(Buffer.concat([end64, elsewhere]), check)).toEqual([...versions, 76 + 20, 76 + 21]);
    expect(() => check(elsewhere)).toThrow('its end says something else');
    for (const disks of [0, 1]) {
      end64.writeUInt32LE(disks, 72);
      check(Buffer.concat([end64, end()]));
    }
    end64.writeUInt32LE(2, 72);
    expect(() => check(Buffer.concat([end64, end()]))).toThrow('its end says something else');
  });
});

it.each([
  [12, false, u32],
  [16, true, u32],
  [20, false, u64],
  [24, true, u64],
] as const)(
  '%i bytes behind a member say its sizes and its checksum, in each byte',
  (length, signed, sized) => {
    const bytes = Buffer.concat([
      ...(signed ? [Buffer.from('PK\x07\x08', 'latin1')] : []),
      ...[u32(0x89abcdef), sized(0x1234), sized(0x2345)],
    ]);
    expect(bytes).toHaveLength(length);
    const sizes = { crc32: 0x89abcdef, compressedSize: 0x1234, uncompressedSize: 0x2345 };
    expect(free(bytes, (changed) => checkDescriptor(changed, sizes))).toEqual([]);
  },
);

describe('the header in front of a member', () => {
  const none = Buffer.alloc(0);
  const all = 0xffffffff;
  const entry = {
    crc32: 7,
    compressedSize: 5,
    uncompressedSize: 9,
    relativeOffsetOfLocalHeader: 11,
    extraFieldRaw: none,
  };
  const wide = (...values: number[]) =>
    Buffer.concat([u16(1), u16(8 * values.length), ...values.map((value) => u64(value))]);
  const check = (local: object, later = false, more = {}) =>
    checkLocalHeader(
      { ...entry, ...more } as never,
      { crc32: 7, compressedSize: 5, uncompressedSize: 9, extraField: none, ...local } as never,
      later,
    );
  const differs = 'a member has two headers that differ';

  it.each<[string, Parameters<typeof check>]>([
    ['says the same', [{}]],
    ['leaves its sizes to what is behind it', [{ crc32: 0, compressedSize: 0, uncompressedSize: 0 }, true]],
    ['has its sizes with 64 bits', [{ compressedSize: all, uncompressedSize: all, extraField: wide(9, 5) }]],
    ['has one size with 64 bits', [{ compressedSize: all, extraField: wide(5) }]],
    ['has zeros with 64 bits', [{ extraField: wide(0, 0) }, true]],
    ['has a place with 64 bits in the directory', [{}, false, { extraFieldRaw: wide(9, 5, 11) }]],
    ['has a place alone there', [{}, false, { extraFieldRaw: wide(11) }]],
  ])('%s', (_says, args) => check(...args));

  it.each<[string, Parameters<typeof check>]>([
    ['has another checksum', [{ crc32: 8 }]],
    ['has another size', [{ compressedSize: 6 }]],
    ['has another length', [{ uncompressedSize: 8 }]],
    ['leaves its checksum to nothing', [{ crc32: 0 }]],
    ['leaves its size to nothing', [{ compressedSize: 0 }]],
    ['has another size although one is behind it', [{ compressedSize: 6 }, true]],
    ['has a size of all bits and none with 64', [{ compressedSize: all }]],
    ['has another size and one with 64 bits', [{ compressedSize: 6, extraField: wide(9, 5) }]],
    ['has a checksum of all bits', [{ crc32: all, extraField: wide(9, 5) }]],
    ['has sizes with 64 bits the other way round', [{ extraField: wide(5, 9) }]],
    ['has zeros with 64 bits and nothing behind it', [{ extraField: wide(0, 0) }]],
    ['has one of its sizes twice', [{ extraField: wide(9, 9) }]],
    ['has a third number with 64 bits', [{ extraField: wide(9, 5, 5) }]],
    ['has a place with 64 bits', [{ extraField: wide(9, 5, 11) }]],
    ['has another place in the directory', [{}, false, { extraFieldRaw: wide(9, 5, 12) }]],
    ['has a fourth number there', [{}, false, { extraFieldRaw: wide(9, 5, 11, 11) }]],
    ['has zeros there', [{}, true, { extraFieldRaw: wide(0, 0) }]],
  ])('is refused where it %s', (_says, args) => expect(() => check(...args)).toThrow(differs));
});

it('a mark is found wherever the content is cut', () => {
  const content = Buffer.from('abPK\x07\x08cd', 'latin1');
  const found = (...pieces: Uint8Array[]) => {
    const finder = new MarkFinder();
    for (const piece of pieces) finder.push(piece);
    return finder.found;
  };
  for (let at = 0; at <= content.length; at++)
    expect(found(content.subarray(0, at), content.subarray(at)), String(at)).toBe(true);
  expect(found(...[...content].map((byte) => Buffer.from([byte])))).toBe(true);
  expect(found(content.subarray(0, 5), content.subarray(6))).toBe(false);
});
