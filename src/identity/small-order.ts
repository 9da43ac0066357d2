import { bytesToHex } from '@noble/hashes/utils.js';
import { fromBase64Url, publicKeyOf, type Verifier } from '../protocol/documents/index.ts';

/** All encodings of the points of Ed25519 whose order divides 8, without the sign of x (the highest bit). Nobody needs one. */
const smallOrder: ReadonlySet<string> = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]);

function hasSmallOrder(point: Uint8Array): boolean {
  const positive = Uint8Array.from(point.subarray(0, 32));
  positive[31] = (positive[31] ?? 0) & 0x7f;
  return smallOrder.has(bytesToHex(positive));
}

/**
 * Refuses keys, and first halves of signatures, of small order. Node 24 (OpenSSL 3.5) does, Node 22 and Chromium do not: who has a key could
 * sign so that evidence holds for some and not for others.
 */
export const withoutSmallOrder = ({ jws, raw }: Verifier): Verifier => ({
  jws: async (compact, signer) =>
    !hasSmallOrder(publicKeyOf(signer)) && !hasSmallOrder(signatureIn(compact)) && jws(compact, signer),
  raw: async (message, signature, signer) =>
    !hasSmallOrder(publicKeyOf(signer)) && !hasSmallOrder(signature) && raw(message, signature, signer),
});

/** Empty where it cannot be decoded: then it does not hold. */
function signatureIn(compact: string): Uint8Array {
  try {
    return fromBase64Url(compact.slice(compact.lastIndexOf('.') + 1), 'signature');
  } catch {
    return new Uint8Array();
  }
}
