import { type CryptoKey, compactVerify, errors } from 'jose';
import { QuorateError } from '../protocol/base/errors.ts';
import { Recent } from '../protocol/base/maps.ts';
import { publicKeyOf, type Verifier } from '../protocol/documents/index.ts';
import { withoutSmallOrder } from './small-order.ts';

/** Whether a compact JWS is signed with Ed25519, and no other algorithm, under this public key of WebCrypto. */
async function holdsJws(compact: string, key: CryptoKey): Promise<boolean> {
  try {
    await compactVerify(compact, key, { algorithms: ['Ed25519'] });
    return true;
  } catch (error) {
    if (error instanceof errors.JOSEError) return false;
    throw error;
  }
}

/** Imported keys that are kept: more than the keys in one bundle with its inputs. */
const keysMax = 1024;

/** RFC 8032, 7.1, test 1: a public key, and its signature of the empty message. */
const known = {
  key: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
  signature:
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
};

const ofHex = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

const importRaw = (subtle: SubtleCrypto, bytes: Uint8Array): Promise<CryptoKey> =>
  subtle.importKey('raw', Uint8Array.from(bytes), 'Ed25519', true, ['verify']);

/**
 * The verifier for browsers, on WebCrypto alone: JWS with jose, raw Ed25519 signatures (RFC 8032) with `crypto.subtle`.
 * Its answers are those of `joseVerifier`.
 * @throws WEB_CRYPTO_MISSING where the browser offers none to this page, or one without Ed25519
 */
export async function openWebVerifier(): Promise<Verifier> {
  const { subtle } = globalThis.crypto ?? {};
  if (subtle === undefined)
    throw new QuorateError('WEB_CRYPTO_MISSING', 'the browser does not let this page check signatures', {
      hint: 'It does so for pages from a file, from this computer, or by https. Save this page, and open the file.',
    });
  await testKnown(subtle);
  const keys = new Recent<Promise<CryptoKey>>(keysMax);
  const keyOf = (peerId: string) => keys.of(peerId, () => importRaw(subtle, publicKeyOf(peerId)));
  return withoutSmallOrder({
    jws: async (compact, signer) => holdsJws(compact, await keyOf(signer)),
    raw: async (message, signature, signer) =>
      subtle.verify('Ed25519', await keyOf(signer), Uint8Array.from(signature), Uint8Array.from(message)),
  });
}

async function testKnown(subtle: SubtleCrypto): Promise<void> {
  const isGood = await importRaw(subtle, ofHex(known.key))
    .then((key) => subtle.verify('Ed25519', key, ofHex(known.signature), new Uint8Array()))
    .catch(() => false);
  if (isGood) return;
  throw new QuorateError('WEB_CRYPTO_MISSING', 'this browser cannot check Ed25519 signatures', {
    hint: 'Use a newer one: Chromium 137, Firefox 129 or Safari 17.5, or later.',
  });
}
