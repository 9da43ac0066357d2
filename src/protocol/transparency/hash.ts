import { sha256 } from '@noble/hashes/sha2.js';
import { toUtf8 } from '../base/text.ts';

function prefixed(prefix: number, ...parts: Uint8Array[]): Uint8Array {
  const hash = sha256.create().update(Uint8Array.of(prefix));
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** RFC 6962 §2.1: the hash of the empty tree. */
export const emptyRoot = sha256(new Uint8Array());
/** RFC 6962 §2.1: a leaf is hashed behind 0x00, a node behind 0x01, so that neither can pass for the other. */
export const hashLeaf = (leaf: string): Uint8Array => prefixed(0x00, toUtf8(leaf));
export const hashNode = (left: Uint8Array, right: Uint8Array): Uint8Array => prefixed(0x01, left, right);

/** The largest power of two below `n`, for n > 1. */
export function splitOf(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}
