import { type KeyObject, verify } from 'node:crypto';
import { compactVerify, errors } from 'jose';
import type { Verifier } from '../core/documents/index.ts';
import { importPeerId } from './pem.ts';

/** Imported keys kept: more than the peers one node talks to at a time, about 1 KB each. */
const keysMax = 1024;
const keys = new Map<string, KeyObject>();

/** Least recently used goes first: a Map keeps the order of insertion. */
function keyOf(peerId: string): KeyObject {
  const key = keys.get(peerId) ?? importPeerId(peerId);
  keys.delete(peerId);
  keys.set(peerId, key);
  const [oldest] = keys.keys();
  if (keys.size > keysMax && oldest !== undefined) keys.delete(oldest);
  return key;
}

/** The production verifier: JWS by jose, bare signatures by Node's own Ed25519. Throws `KEY_INVALID` for a bad PeerId. */
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
