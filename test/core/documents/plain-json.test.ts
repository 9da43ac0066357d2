import * as dagJson from '@ipld/dag-json';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeCanonical } from '../../../src/core/documents/canonical.ts';
import { plainJson } from '../../../src/core/documents/plain-json.ts';

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

describe('canonical JSON is what DAG-JSON makes', () => {
  it('of whatever JSON can hold', () => {
    const strings = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.constantFrom('/', '__proto__', '\ud800', 'é', 'z'),
    );
    const value = fc.letrec((tie) => ({
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
    fc.assert(fc.property(value, bothWays), { numRuns: 500 });
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
    expect(plainJson({ b: [1, 'x', null], a: { d: true, c: '"' } })).toBe(
      '{"a":{"c":"\\"","d":true},"b":[1,"x",null]}',
    );
  });
});
