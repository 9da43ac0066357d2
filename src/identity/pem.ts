import { createPublicKey, type KeyObject } from 'node:crypto';
import { publicKeyOf } from '../protocol/documents/index.ts';

/** DER prefix of the SubjectPublicKeyInfo of an Ed25519 key, up to its 32 bytes (RFC 8410, 4). */
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');

/** The public key of a PeerId. @throws KEY_INVALID */
export function importPeerId(peerId: string): KeyObject {
  const der = Buffer.concat([spkiPrefix, publicKeyOf(peerId)]);
  return createPublicKey({ key: der, format: 'der', type: 'spki' });
}

/** The public key of a PeerId as SPKI PEM, the format of `cosign --key` and `openssl`. @throws KEY_INVALID */
export function publicPemOf(peerId: string): string {
  return importPeerId(peerId).export({ format: 'pem', type: 'spki' }).toString();
}
