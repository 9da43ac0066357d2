import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { emptyRoot, hashLeaf, hashNode } from './hash.ts';

/** Sizes go past 2^31, so no bit operators. */
const half = (n: number) => Math.floor(n / 2);
const odd = (n: number) => n % 2 === 1;
const isSize = (n: number) => Number.isSafeInteger(n) && n >= 0;
const isHash = (hex: string) => /^[0-9a-f]{64}$/.test(hex);

/** Whether `leaf` is leaf `index` of the tree with that size and root. Source: RFC 9162 §2.1.3.2. */
export function verifyInclusion(proof: {
  leaf: string;
  index: number;
  size: number;
  root: string;
  path: readonly string[];
}): boolean {
  const { leaf, index, size, root, path } = proof;
  if (!isSize(index) || !isSize(size) || index >= size || !path.every(isHash)) return false;
  let fn = index;
  let sn = size - 1;
  let hash = hashLeaf(leaf);
  for (const hex of path) {
    if (sn === 0) return false;
    const sibling = hexToBytes(hex);
    if (odd(fn) || fn === sn) {
      hash = hashNode(sibling, hash);
      // Not 0: it is odd, or what `sn` is.
      while (!odd(fn)) {
        fn = half(fn);
        sn = half(sn);
      }
    } else {
      hash = hashNode(hash, sibling);
    }
    fn = half(fn);
    sn = half(sn);
  }
  return sn === 0 && bytesToHex(hash) === root;
}

/** Whether the tree (`to`, `toRoot`) begins with all of the tree (`from`, `fromRoot`). Source: RFC 9162 §2.1.4.2. */
export function verifyConsistency(proof: {
  from: number;
  fromRoot: string;
  to: number;
  toRoot: string;
  path: readonly string[];
}): boolean {
  const { from, fromRoot, to, toRoot, path } = proof;
  if (!isSize(from) || !isSize(to) || from > to || ![fromRoot, ...path].every(isHash)) return false;
  if (from === 0) return path.length === 0 && fromRoot === bytesToHex(emptyRoot);
  if (from === to) return path.length === 0 && fromRoot === toRoot;
  let fn = from - 1;
  let sn = to - 1;
  while (odd(fn)) {
    fn = half(fn);
    sn = half(sn);
  }
  // A complete subtree is its own first hash, and the proof leaves it out.
  const [first = '', ...rest] = fn === 0 ? [fromRoot, ...path] : path;
  let fr: Uint8Array = hexToBytes(first);
  let sr: Uint8Array = fr;
  for (const hex of rest) {
    if (sn === 0) return false;
    const sibling = hexToBytes(hex);
    if (odd(fn) || fn === sn) {
      fr = hashNode(sibling, fr);
      sr = hashNode(sibling, sr);
      while (!odd(fn)) {
        fn = half(fn);
        sn = half(sn);
      }
    } else {
      sr = hashNode(sr, sibling);
    }
    fn = half(fn);
    sn = half(sn);
  }
  return sn === 0 && bytesToHex(fr) === fromRoot && bytesToHex(sr) === toRoot;
}
