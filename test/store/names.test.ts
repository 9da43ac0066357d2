import { describe, expect, it } from 'vitest';
import { checkName, checkTarget, compareNames, decodeName, splitPath } from '../../src/store/names.ts';
import { type Bound, holds, list, text, unless } from '../protocol/taken.ts';

/** A path of so many bytes. */
const long = (n: number): string =>
  `${text(200)}/`
    .repeat(n)
    .slice(0, n - 1)
    .concat('b');

const bounds: Bound[] = [
  ['bytes of a path', unless(['STORE_PATH_TOO_LONG'], (n) => splitPath(long(n))), 4_096],
  [
    'bytes of a path in other letters',
    unless(['STORE_PATH_TOO_LONG'], (n) => splitPath(`${'\u00e4/'.repeat(10)}${text(n - 30)}`)),
    285,
  ],
  ['bytes of a name', unless(['STORE_PATH_TOO_LONG'], (n) => splitPath(text(n))), 255],
  ['parts of a path', unless(['STORE_PATH_TOO_DEEP'], (n) => splitPath(list(n, 'a').join('/'))), 64],
  [
    'bytes of the target of a link',
    unless(['STORE_LINK_REFUSED'], (n) => checkTarget(text(n), 'link')),
    4_096,
  ],
];

it.each(['\u2028', '\u2029', '\u202e', '\u061c', '\u200b', '\u009b'])(
  'a message about a name holds no %j',
  (char) => {
    expect(() => checkName(`a${char}/b`, `in ${char}`)).toThrow(/^[\x20-\x7e]+$/);
  },
);

describe('a tree takes at most so many', () => holds(bounds));

it.each([
  ['', 'STORE_LINK_REFUSED'],
  ['a\0b', 'STORE_LINK_REFUSED'],
  ['a\ufffd', 'STORE_NAME_NOT_UTF8'],
  ['a\ud800', 'STORE_NAME_NOT_UTF8'],
  ['/a', 'STORE_LINK_ESCAPES'],
])('a link to %j is refused', (target, code) => {
  expect(() => checkTarget(target, 'link')).toThrow(expect.objectContaining({ code }));
});

it.each([
  ...['', '.', '..', 'a/b', 'a\0b', 'a\nb', 'a\u202eb'].map((name) => [name, 'STORE_NAME_REFUSED']),
  ...['a\ud800', 'a\ufffd'].map((name) => [name, 'STORE_NAME_NOT_UTF8']),
  ['a'.repeat(256), 'STORE_PATH_TOO_LONG'],
])('a name %j is refused', (name, code) => {
  expect(() => checkName(name, 'path')).toThrow(expect.objectContaining({ code }));
});

it('a name of a file system that is no UTF-8 is refused, and a mark at its start is part of it', () => {
  const refused = expect.objectContaining({ code: 'STORE_NAME_NOT_UTF8' });
  expect(() => decodeName(Uint8Array.of(0x61, 0xff), 'folder')).toThrow(refused);
  expect(decodeName(Buffer.from('\ufeffa'), 'folder')).toBe('\ufeffa');
});

it('names are in the order of their bytes in UTF-8', () => {
  const points = [0x41, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x103ff, 0x10400, 0x10ffff];
  const names = points.flatMap((point) => [`a${String.fromCodePoint(point)}`, String.fromCodePoint(point)]);
  const byBytes = names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  expect(names.toSorted(compareNames)).toEqual(byBytes);
  expect(names.toReversed().toSorted(compareNames)).toEqual(byBytes);
});
