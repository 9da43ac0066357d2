import * as dagJson from '@ipld/dag-json';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { decodeCanonical, encodeCanonical } from '../../../src/protocol/documents/canonical.ts';
import { plainJson } from '../../../src/protocol/documents/plain-json.ts';
import { anyCharacter } from '../../support/any-character.ts';

/** Bytes, or that it is refused. */
const made = (encode: (value: unknown) => Uint8Array, value: unknown): string => {
  try {
    return Buffer.from(encode(value)).toString('hex');
  } catch {
    return 'refused';
  }
};
const bothWays = (value: unknown): void => {
  expect(made(encodeCanonical, value)).toBe(made((plain) => dagJson.encode(plain), value));
};

const strings = fc.oneof(
  fc.string(),
  fc.string({ unit: anyCharacter }),
  fc.constantFrom('/', '__proto__', '\ud800', 'é', 'z'),
);
const anyJson = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(null, true, false),
    fc.maxSafeInteger(),
    fc.double(),
    strings,
    fc.array(tie('any'), { maxLength: 5 }),
    fc.dictionary(strings, tie('any'), { maxKeys: 6 }),
  ),
})).any;

/** DAG-JSON alone on bytes: canonical text, or that it is refused. */
const readByDagJson = (bytes: Uint8Array): string => {
  const value = dagJson.decode<unknown>(bytes);
  const again = dagJson.encode(value);
  if (Buffer.compare(again, bytes) !== 0) throw new Error('not canonical');
  return Buffer.from(again).toString('hex');
};
const outcome = (read: (bytes: Uint8Array) => string, bytes: Uint8Array): string => {
  try {
    return read(bytes);
  } catch {
    return 'refused';
  }
};
const readHere = (bytes: Uint8Array): string =>
  Buffer.from(dagJson.encode(decodeCanonical(bytes, z.unknown(), 'it', 1e6))).toString('hex');

describe('canonical JSON is read as DAG-JSON reads it', () => {
  it('of whatever JSON can hold, with a byte or two changed, doubled or left out', () => {
    const text = anyJson.map((value) => Buffer.from(JSON.stringify(value) ?? 'null'));
    const sorted = anyJson.map((value) => {
      const canonical = made(encodeCanonical, value);
      return Buffer.from(canonical === 'refused' ? '6e756c6c' : canonical, 'hex');
    });
    const edits = fc.array(
      fc.tuple(fc.nat(200), fc.constantFrom(0, 1, 2), fc.constantFrom(...'{}[]",:0-1.e\\/ua \n\xff')),
      { maxLength: 2 },
    );
    const edited = fc.tuple(fc.oneof(text, sorted), edits).map(([bytes, all]) =>
      all.reduce((now, [place, kind, by]) => {
        const at = place % (now.length + 1);
        const added = kind === 2 ? [] : [Buffer.from(by, 'latin1')];
        return Buffer.concat([now.subarray(0, at), ...added, now.subarray(kind === 0 ? at : at + 1)]);
      }, bytes),
    );
    fc.assert(
      fc.property(edited, (bytes) => {
        // Lone surrogates are refused here and kept by DAG-JSON.
        fc.pre(!/\\u[dD][89a-fA-F]/.test(bytes.toString('latin1')));
        expect(outcome(readHere, bytes)).toBe(outcome(readByDagJson, bytes));
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['a key that stands twice', '{"a":1,"a":1}'],
    ['keys in another order', '{"b":1,"a":1}'],
    ['white space', '{"a": 1}'],
    ['zero below zero', '[-0]'],
    ['an exponent', '[1e2]'],
    ['a letter as an escape', '["\\u0061"]'],
    ['bytes that are not UTF-8', Buffer.from('["\xff"]', 'latin1')],
    ['a byte order mark', '\ufeff[]'],
    ['half of a pair', '["\\ud800"]'],
  ])('and %s is refused', (_, text) => {
    expect(outcome(readHere, Buffer.from(text as string))).toBe('refused');
  });
});

describe('canonical JSON is what DAG-JSON makes', () => {
  it('of whatever JSON can hold', () => {
    fc.assert(fc.property(anyJson, bothWays), { numRuns: 500 });
  });

  it.each([
    ['an undefined value', { a: undefined }],
    ['a hole', Object.assign([], { length: 2 })],
    ['zero below zero', -0],
    ['fractions', { a: 1.5, b: 1e300 }],
    ['what is no number', [Number.NaN, Number.POSITIVE_INFINITY]],
    ['unsafe integers', 2 ** 60],
    ['big integers', { a: 10n }],
    ['bytes', { a: Uint8Array.of(1, 2) }],
    ['a reserved key', { '/': 'bafy' }],
    ['a map', new Map([['a', 1]])],
    ['a date', new Date(0)],
    ['keys beyond the basic plane', { '\u{1f600}': 1, '\uffff': 2, a: 3 }],
    ['keys that look like numbers', { 10: 1, 9: 2, b: 3 }],
  ])('of %s', (_, value) => bothWays(value));

  it('and of a usual document without its help', () => {
    expect(plainJson(Object.assign(Object.create(null), { a: 1 }))).toBe('{"a":1}');
    expect(plainJson(new Date(0))).toBeUndefined();
    expect(plainJson({ b: [1, 'x', null], a: { d: true, c: '"' } })).toBe(
      '{"a":{"c":"\\"","d":true},"b":[1,"x",null]}',
    );
  });
});
