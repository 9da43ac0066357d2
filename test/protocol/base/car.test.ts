import { describe, expect, it } from 'vitest';
import {
  CarParser,
  carHeader,
  cidBytes,
  oneRootHeaderBytes,
  readVarint,
  rootOfCar,
  sectionHead,
} from '../../../src/protocol/base/car.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { list } from '../taken.ts';

/** A CID of 36 bytes, with some of its first ones changed. */
const cidOf = (...first: number[]): Uint8Array => {
  const cid = new Uint8Array(cidBytes).fill(9);
  cid.set([1, 0x55, 0x12, 0x20]);
  cid.set(first);
  return cid;
};

it.each([
  [0, [0x80]],
  [23, [0x97]],
  [24, [0x98, 24]],
  [255, [0x98, 255]],
  [256, [0x99, 1, 0]],
  [65_535, [0x99, 255, 255]],
])('a header says in DAG-CBOR that it has %i roots', (count, head) => {
  const header = carHeader(list(count, Uint8Array.of(1)));
  const at = header.indexOf(0xa2) + 7;
  expect([...header.slice(at, at + head.length)]).toEqual(head);
});

it('a header has no more roots than its length can say', () => {
  expect(() => carHeader(list(65_536, Uint8Array.of(1)))).toThrow(/65,536 roots/);
});

it.each([
  [22, [0x57, 0]],
  [23, [0x58, 24, 0]],
])('a header says in DAG-CBOR that a root has %i bytes', (bytes, head) => {
  const header = carHeader([new Uint8Array(bytes)]);
  const at = header.indexOf(0x2a) + 1;
  expect([...header.slice(at, at + head.length)]).toEqual(head);
});

it.each([
  [127 - cidBytes, [0x7f]],
  [128 - cidBytes, [0x80, 1]],
])('a section of %i bytes begins with its length', (size, head) => {
  expect([...sectionHead(cidOf(), size)]).toEqual([...head, ...cidOf()]);
});

it.each([
  [[0x7f], { value: 127, next: 2 }],
  [[0x80, 1], { value: 128, next: 3 }],
  [[0xff, 0xff, 0xff, 0x7f], { value: 2 ** 28 - 1, next: 5 }],
  [[0x80, 0x80], undefined],
  [[], undefined],
])('a length of the bytes %j is read', (bytes, read) => {
  expect(readVarint(Uint8Array.of(0, ...bytes), 1)).toEqual(read);
});

it('a length of five bytes is refused', () => {
  expect(() => readVarint(Uint8Array.of(0x80, 0x80, 0x80, 0x80, 1), 0)).toThrow(/more than 2\^28/);
});

describe('the root of an archive', () => {
  const header = carHeader([cidOf()]);
  it('is read from a header that is as written here', () => {
    expect(header.length).toBe(oneRootHeaderBytes);
    expect(rootOfCar(header)).toEqual(cidOf());
    expect(rootOfCar(carHeader([cidOf(1, 0x70)]))).toEqual(cidOf(1, 0x70));
    expect(rootOfCar(carHeader([cidOf(1, 0x71)]))).toBeUndefined();
  });

  it.each([0, 5, header.length - 1])('is none where byte %i is another', (at) => {
    const other = header.slice();
    other[at] = (other[at] ?? 0) ^ 1;
    expect(rootOfCar(other)).toBeUndefined();
  });
});

describe('a parser of an archive', () => {
  const header = carHeader([cidOf()]);
  const parsed = (...pieces: Uint8Array[]): string => {
    const parser = new CarParser(header);
    const found: number[] = [];
    try {
      for (const piece of pieces) {
        parser.push(piece);
        for (let next = parser.next(); next !== undefined; next = parser.next())
          found.push(next.bytes.length);
      }
      parser.end();
    } catch (error) {
      return (error as Error).message.replace('the archive of blocks ', '');
    }
    return `blocks of ${found.join()}`;
  };
  const section = (size: number, cid = cidOf()) =>
    Uint8Array.from([...sectionHead(cid, size), ...new Uint8Array(size)]);

  it.each<[string, Uint8Array[], string]>([
    ['header alone', [header], 'blocks of '],
    ['header and blocks, one empty', [header, section(0), section(3), section(0)], 'blocks of 0,3,0'],
    ['header without its end', [header.slice(0, -1)], 'was cut off'],
    ['length without its end', [header, Uint8Array.of(0x80)], 'was cut off'],
    ['CID without its end', [header, section(0).slice(0, -1)], 'was cut off'],
    ['block without its end', [header, section(3).slice(0, -1)], 'was cut off'],
    ['other header', [carHeader([cidOf(1, 0x70)])], 'does not begin with the header that was expected'],
    ['section without a CID', [header, Uint8Array.of(35)], 'has a section without a CID'],
    ['block of the largest size', [header, sectionHead(cidOf(), limits.blockBytesMax)], 'was cut off'],
    [
      'block over the largest size',
      [header, sectionHead(cidOf(), limits.blockBytesMax + 1)],
      'has a block over the largest size',
    ],
    ...[[2], [1, 0x71], [1, 0x55, 0x11], [1, 0x55, 0x12, 0x21]].map(
      (first): [string, Uint8Array[], string] => [
        `CID that begins with ${first}`,
        [header, section(0, cidOf(...first))],
        'has a block of another kind than trees have',
      ],
    ),
  ])('of a %s', (_, pieces, says) => expect(parsed(...pieces)).toBe(says));
});
