import { bytesToHex } from '@noble/hashes/utils.js';
import { toUtf8 } from '../base/text.ts';
import { publicKeyOf, sha256Hex } from '../documents/index.ts';

/** A public key as in-toto writes it (in-toto-spec v1.0 §4.2). Its names are in-toto's. */
export interface InTotoKey {
  keyid: string;
  keyid_hash_algorithms: ['sha256', 'sha512'];
  keytype: 'ed25519';
  keyval: { public: string };
  scheme: 'ed25519';
}

/** The in-toto key of a PeerId; its id is the sha256 of the key's canonical JSON, as securesystemslib has it. */
export function inTotoKeyOf(peerId: string): InTotoKey {
  const key = {
    keyid_hash_algorithms: ['sha256', 'sha512'] as ['sha256', 'sha512'],
    keytype: 'ed25519' as const,
    keyval: { public: bytesToHex(publicKeyOf(peerId)) },
    scheme: 'ed25519' as const,
  };
  return { keyid: sha256Hex(toUtf8(JSON.stringify(key))), ...key };
}
