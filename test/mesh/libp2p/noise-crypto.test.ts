import { pureJsCrypto } from '@chainsafe/libp2p-noise';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { noiseCrypto } from '../../../src/mesh/libp2p/noise-crypto.ts';

const sizes = [0, 1, 683, 684, 699, 700, 701, 1_200, 5_000, 65_519];
const key = (byte: number) => new Uint8Array(32).fill(byte);
const nonce = new Uint8Array(12).fill(9);
const plain = (size: number) => Uint8Array.from({ length: size }, (_, n) => n % 251);
type Bytes = Parameters<typeof noiseCrypto.chaCha20Poly1305Encrypt>[0];
const bytes = (of: Bytes) => Buffer.from(of.subarray());
const seal = (text: Bytes, ad: Uint8Array, k: Uint8Array) =>
  bytes(noiseCrypto.chaCha20Poly1305Encrypt(text, nonce, ad, k));
const open = (text: Bytes, ad: Uint8Array, k: Uint8Array) =>
  bytes(noiseCrypto.chaCha20Poly1305Decrypt(text, nonce, ad, k));

/** Bytes in pieces, as libp2p hands them on: what is used of a Uint8ArrayList. */
function listOf(pieces: readonly Uint8Array[]): Bytes {
  const whole = Buffer.concat(pieces);
  const starts = pieces.map((_, n) => Buffer.concat(pieces.slice(0, n)).length);
  return {
    byteLength: whole.length,
    [Symbol.iterator]: () => pieces[Symbol.iterator](),
    subarray: (from?: number, to?: number) => whole.subarray(from, to),
    sublist: (from: number, to: number) =>
      listOf(
        pieces.map((piece, n) => {
          const start = starts[n] ?? 0;
          return piece.subarray(Math.max(0, from - start), Math.max(0, to - start));
        }),
      ),
  } as unknown as Bytes;
}

describe('the cryptography of Noise', () => {
  it.each(sizes)('is that of the library without OpenSSL, of %i bytes', (size) => {
    for (const ad of [new Uint8Array(), key(4)]) {
      const sealed = seal(plain(size), ad, key(1));
      expect(sealed).toEqual(bytes(pureJsCrypto.chaCha20Poly1305Encrypt(plain(size), nonce, ad, key(1))));
      expect(open(sealed, ad, key(1))).toEqual(Buffer.from(plain(size)));
    }
  });

  it('takes what comes in pieces, wherever it is cut', () => {
    const at = fc.array(fc.nat(2_000), { maxLength: 5 });
    fc.assert(
      fc.property(at, at, (cuts, others) => {
        const cut = (whole: Uint8Array, places: number[]) => {
          const ends = [0, ...places.toSorted((a, b) => a - b), whole.length];
          return listOf(ends.slice(1).map((end, n) => whole.subarray(ends[n], end)));
        };
        const sealed = seal(cut(plain(2_000), cuts), new Uint8Array(), key(1));
        expect(sealed).toEqual(seal(plain(2_000), new Uint8Array(), key(1)));
        expect(open(cut(sealed, others), new Uint8Array(), key(1))).toEqual(Buffer.from(plain(2_000)));
      }),
      { numRuns: 50 },
    );
  });

  it.each(sizes)('refuses what was changed, of %i bytes', (size) => {
    const ad = new Uint8Array();
    const sealed = seal(plain(size), ad, key(1));
    for (const at of [0, sealed.length - 16, sealed.length - 1]) {
      const changed = Buffer.from(sealed);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(() => open(changed, ad, key(1))).toThrow();
    }
    expect(() => open(sealed.subarray(1), ad, key(1))).toThrow();
    expect(() => open(sealed, key(4), key(1))).toThrow();
    expect(() => open(sealed, ad, key(2))).toThrow();
  });

  it('goes by what a key is, not by where it lies', () => {
    const k = key(1);
    const first = seal(plain(1_000), new Uint8Array(), k);
    k.fill(2);
    const second = seal(plain(1_000), new Uint8Array(), k);
    expect(second).not.toEqual(first);
    expect(second).toEqual(seal(plain(1_000), new Uint8Array(), key(2)));
  });
});
