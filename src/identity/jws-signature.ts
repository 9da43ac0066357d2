import { type CryptoKey, compactVerify, errors } from 'jose';

/** Whether a compact JWS is signed with Ed25519, and no other algorithm, under this public key of WebCrypto. */
export async function holdsJws(compact: string, key: CryptoKey): Promise<boolean> {
  try {
    await compactVerify(compact, key, { algorithms: ['Ed25519'] });
    return true;
  } catch (error) {
    if (error instanceof errors.JOSEError) return false;
    throw error;
  }
}
