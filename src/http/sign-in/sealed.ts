import { randomBytes } from 'node:crypto';
import { EncryptJWT, errors, jwtDecrypt } from 'jose';

/** Kinds of sealed texts: text of one kind is not taken for another. */
type Kind = 'transaction' | 'device';

/** State kept by its owner, so that sign-ins never ended cost no memory: JWE (`dir`, `A256GCM`) under a key of this process, with a time. */
export class Sealer {
  readonly #key = new Uint8Array(randomBytes(32));
  readonly #now: () => number;

  /** @param now milliseconds since the epoch */
  constructor(now: () => number) {
    this.#now = now;
  }

  seal(kind: Kind, payload: object, seconds: number): Promise<string> {
    return new EncryptJWT({ ...payload, jti: randomBytes(16).toString('base64url') })
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
      .setAudience(kind)
      .setExpirationTime(Math.floor(this.#now() / 1000) + seconds)
      .encrypt(this.#key);
  }

  /** Undefined for what this process did not seal as that kind, or no longer. */
  async open(kind: Kind, text: string): Promise<({ jti: string } & Record<string, unknown>) | undefined> {
    try {
      const { payload } = await jwtDecrypt(text, this.#key, {
        audience: kind,
        keyManagementAlgorithms: ['dir'],
        contentEncryptionAlgorithms: ['A256GCM'],
        currentDate: new Date(this.#now()),
        requiredClaims: ['exp', 'jti'],
      });
      return payload as { jti: string };
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined;
      throw error;
    }
  }
}
