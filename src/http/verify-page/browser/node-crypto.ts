import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { assert } from '../../../protocol/base/errors.ts';

/** The part of `node:crypto` that the code of trees and archives uses: esbuild puts this file in its place (scripts/verify-page.js). */
interface Hash {
  update(bytes: Uint8Array): Hash;
  digest(): Uint8Array;
  digest(encoding: 'hex'): string;
}

export function createHash(algorithm: 'sha256'): Hash {
  assert(algorithm === 'sha256', 'trees are hashed with sha256');
  const state = sha256.create();
  function digest(): Uint8Array;
  function digest(encoding: 'hex'): string;
  function digest(encoding?: 'hex'): Uint8Array | string {
    const bytes = state.digest();
    return encoding === 'hex' ? bytesToHex(bytes) : bytes;
  }
  const own: Hash = {
    update(bytes) {
      state.update(bytes);
      return own;
    },
    digest,
  };
  return own;
}

export function hash(algorithm: 'sha256', bytes: Uint8Array): Uint8Array {
  assert(algorithm === 'sha256', 'blocks are hashed with sha256');
  return sha256(bytes);
}
