import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import type { ICryptoInterface } from '@chainsafe/libp2p-noise';
import { defaultCrypto } from '@chainsafe/libp2p-noise/crypto';

type Encrypt = ICryptoInterface['chaCha20Poly1305Encrypt'];
type Decrypt = ICryptoInterface['chaCha20Poly1305Decrypt'];
type Bytes = Parameters<Encrypt>[0];

/** Below that the library's WebAssembly takes less time than a cipher of OpenSSL takes to be made. */
const shortBytes = 700;
const cipher = 'chacha20-poly1305';
const authTagLength = 16;

/** Keys of OpenSSL by the bytes they were made of, with a copy of these. */
const keys = new WeakMap<Uint8Array, { copy: Buffer; key: KeyObject }>();

/** Node takes 10 µs longer for a cipher that is given its key as bytes. */
function keyOf(bytes: Uint8Array): KeyObject {
  const known = keys.get(bytes);
  // The caller may have changed the bytes since.
  if (known?.copy.equals(bytes)) return known.key;
  const key = createSecretKey(bytes);
  keys.set(bytes, { copy: Buffer.from(bytes), key });
  return key;
}

const partsOf = (bytes: Bytes): Iterable<Uint8Array> => (bytes instanceof Uint8Array ? [bytes] : bytes);

const encrypt: Encrypt = (plaintext, nonce, ad, k) => {
  if (plaintext.byteLength < shortBytes)
    return defaultCrypto.chaCha20Poly1305Encrypt(plaintext, nonce, ad, k);
  const to = createCipheriv(cipher, keyOf(k), nonce, { authTagLength });
  to.setAAD(ad, { plaintextLength: plaintext.byteLength });
  const parts = Array.from(partsOf(plaintext), (part) => to.update(part));
  return Buffer.concat([...parts, to.final(), to.getAuthTag()]);
};

const decrypt: Decrypt = (ciphertext, nonce, ad, k, dst) => {
  if (ciphertext.byteLength < shortBytes)
    return defaultCrypto.chaCha20Poly1305Decrypt(ciphertext, nonce, ad, k, dst);
  const end = ciphertext.byteLength - authTagLength;
  const from = createDecipheriv(cipher, keyOf(k), nonce, { authTagLength });
  from.setAAD(ad, { plaintextLength: end });
  from.setAuthTag(ciphertext.subarray(end));
  const text = ciphertext instanceof Uint8Array ? ciphertext.subarray(0, end) : ciphertext.sublist(0, end);
  const parts = Array.from(partsOf(text), (part) => from.update(part));
  // Throws where the tag does not fit.
  const last = from.final();
  const [only] = parts;
  return parts.length === 1 && last.length === 0 && only !== undefined
    ? only
    : Buffer.concat([...parts, last]);
};

/** The cryptography of libp2p-noise for Node, with keys that are made once for each direction of a connection. */
export const noiseCrypto: ICryptoInterface = {
  ...defaultCrypto,
  chaCha20Poly1305Encrypt: encrypt,
  chaCha20Poly1305Decrypt: decrypt,
};
