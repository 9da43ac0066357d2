import { publicKeyFromRaw } from '@libp2p/crypto/keys';
import { peerIdFromPublicKey } from '@libp2p/peer-id';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { fromUtf8, toUtf8 } from '../../../src/protocol/base/text.ts';
import {
  decodeBundle,
  decodeCanonical,
  decodeEquivocation,
  fromBase64,
  fromBase64Url,
  idOf,
  peerIdOf,
  publicKeyOf,
  resultIdOf,
  toBase64,
  toBase64Url,
} from '../../../src/protocol/documents/index.ts';

const code = (value: string) => expect.objectContaining({ code: value });

describe('PeerIds', () => {
  it('hold their Ed25519 key', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (key) => {
        const id = peerIdOf(key);
        expect(id).toMatch(/^12D3KooW/);
        expect(publicKeyOf(id)).toEqual(key);
      }),
    );
  });

  it('hold it also when decoded again, after many others, and after somebody wrote into what was given', () => {
    const keys = Array.from({ length: 2_500 }, (_, n) => new Uint8Array(32).fill(n % 256).fill(n >> 8, 0, 8));
    for (const key of [...keys, ...keys]) {
      const given = publicKeyOf(peerIdOf(key));
      expect(given).toEqual(key);
      given.fill(0);
      publicKeyOf(peerIdOf(key)).fill(1);
      expect(publicKeyOf(peerIdOf(key))).toEqual(key);
    }
  });

  it('are those of libp2p', () => {
    // The Ed25519 key of the libp2p peer-ids specification, "Test vectors".
    const key = Buffer.from('1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e', 'hex');
    expect(peerIdOf(key)).toBe(peerIdFromPublicKey(publicKeyFromRaw(key)).toString());
  });

  it.each(['', 'hello', '0OIl', 'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG', '12D3KooW'])(
    'are nothing else: %s',
    (text) => {
      const hint = expect.stringContaining('12D3KooW');
      expect(() => publicKeyOf(text)).toThrow(expect.objectContaining({ code: 'KEY_INVALID', hint }));
    },
  );

  it('are refused with the error of the library, where it has one', () => {
    expect(() => publicKeyOf('0OIl')).toThrow(expect.objectContaining({ cause: expect.any(Error) }));
  });

  it('have one spelling: no letter of another script stands for a digit', () => {
    const id = peerIdOf(new Uint8Array(32).fill(7));
    for (const letter of ['\u0100', '\u4e00', '\ud800', '\u{10000}'])
      expect(() => publicKeyOf(id.slice(0, 20) + letter + id.slice(20 + letter.length))).toThrow(
        code('KEY_INVALID'),
      );
  });

  it('are short: a long text is refused before it is decoded', () => {
    const before = process.threadCpuUsage().user;
    expect(() => publicKeyOf('z'.repeat(1_000_000))).toThrow(code('KEY_INVALID'));
    expect(process.threadCpuUsage().user - before).toBeLessThan(500_000);
  });

  it('are made of 32 bytes', () => {
    expect(() => peerIdOf(new Uint8Array(31))).toThrow(code('KEY_INVALID'));
  });
});

describe('base64', () => {
  it('has one spelling for all bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'));
        expect(toBase64Url(bytes)).toBe(Buffer.from(bytes).toString('base64url'));
        expect(fromBase64(toBase64(bytes), 'x')).toEqual(bytes);
        expect(fromBase64Url(toBase64Url(bytes), 'x')).toEqual(bytes);
      }),
    );
  });

  it('refuses every text that is not the spelling of what it decodes to', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12, unit: fc.constantFrom(...'ABCXYZabc019+/-_= \n') }), (text) => {
        for (const [decode, encode] of [
          [fromBase64, toBase64],
          [fromBase64Url, toBase64Url],
        ] as const) {
          try {
            expect(encode(decode(text, 'x'))).toBe(text);
          } catch (error) {
            expect(error).toEqual(code('DOC_NOT_BASE64'));
          }
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('identities of documents', () => {
  it('do not depend on the order of keys', () => {
    expect(idOf({ b: 1, aa: 2, a: [{ z: 1, y: 2 }] })).toBe(idOf({ a: [{ y: 2, z: 1 }], aa: 2, b: 1 }));
    expect(idOf({ a: 1 })).not.toBe(idOf({ a: 2 }));
  });

  it('of what a build made go by its status, its tree and the files in that', () => {
    const files = [{ path: 'a', sha256: 'ab'.repeat(32) }];
    const exit = (artifact: string | null, code = 0) => ({ kind: 'exit', code, artifact }) as const;
    expect(resultIdOf({ kind: 'aborted', reason: 'time', detail: '' }, files)).toBeNull();
    expect(resultIdOf(exit(null), files)).toBe(resultIdOf(exit(null), []));
    const ids = [exit(null), exit(null, 1), exit('bafya'), exit('bafyb')].map((one) =>
      resultIdOf(one, files),
    );
    expect(new Set([...ids, resultIdOf(exit('bafya'), [])]).size).toBe(5);
  });
});

describe('a canonical document', () => {
  const decode = (text: string) => decodeCanonical(toUtf8(text), z.unknown(), 'a document', 1000);

  it.each(['1e999', '{"a":-1e999}'])('holds no number that cannot be written again: %s', (text) =>
    expect(() => decode(text)).toThrow(code('DOC_NOT_CANONICAL')),
  );

  it.each(['"\\ud800"', '{"\\udfff":1}', '["a\\\\\\udabc"]'])('holds no half of a character: %s', (text) =>
    expect(() => decode(text)).toThrow(code('DOC_NOT_CANONICAL')),
  );

  it('is not made of text with halves of characters', () => {
    expect(() => decodeBundle('"\ud800"')).toThrow(code('DOC_NOT_UTF8'));
    expect(() => decodeEquivocation('"\ud800"')).toThrow(code('DOC_NOT_UTF8'));
  });

  it('holds whole ones, and text that only looks like a half', () => {
    expect(decode('["\u{1f600}","\\\\ud800"]')).toEqual(['\u{1f600}', '\\ud800']);
  });

  it('is not quoted whole in the error that refuses it', () => {
    const text = JSON.stringify({ [`a${'b'.repeat(100_000)}`]: 1 });
    const refuse = () => decodeCanonical(toUtf8(text), z.strictObject({}), 'a document', 200_000);
    expect(refuse).toThrow(expect.objectContaining({ code: 'DOC_INVALID' }));
    expect(refuse).toThrow(/^.{1,1000}$/u);
  });
});

it('text is UTF-8 or nothing', () => {
  expect(() => fromUtf8(Uint8Array.of(0xff))).toThrow(code('DOC_NOT_UTF8'));
});
