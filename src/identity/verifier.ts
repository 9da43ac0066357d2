import { type KeyObject, verify } from 'node:crypto';
import { compactVerify, errors } from 'jose';
import type { Verifier } from '../core/documents/index.ts';
import { importPeerId } from './pem.ts';

/** Size of the cache of imported keys, about 1 KB each: more than the peers of a node at a time. */
const keysMax = 1024;
const keys = new Map<string, KeyObject>();

/** Least-recently-used cache: a Map keeps the order of insertion. */
function keyOf(peerId: string): KeyObject {
  const key = keys.get(peerId) ?? importPeerId(peerId);
  keys.delete(peerId);
  keys.set(peerId, key);
  const [oldest] = keys.keys();
  if (keys.size > keysMax && oldest !== undefined) keys.delete(oldest);
  return key;
}

/** The production verifier: JWS with jose, raw Ed25519 signatures with Node. @throws KEY_INVALID for an invalid PeerId */
export const joseVerifier: Verifier = {
  async jws(compact, signer) {
    const key = keyOf(signer);
    try {
      await compactVerify(compact, key, { algorithms: ['Ed25519'] });
      return true;
    } catch (error) {
      if (error instanceof errors.JOSEError) return false;
      throw error;
    }
  },
  async raw(message, signature, signer) {
    return verify(null, message, keyOf(signer), signature);
  },
};
