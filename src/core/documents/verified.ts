/** Checks signatures. Production: jose and WebCrypto (src/identity); the simulator: a fast keyed stand-in. */
export interface Verifier {
  /** Checks a compact JWS (RFC 7515) under the Ed25519 key of `signer`, `alg: Ed25519` (RFC 9864) and nothing else. */
  jws(compact: string, signer: string): Promise<boolean>;
  /** Checks a bare Ed25519 signature (RFC 8032): DSSE envelopes, signed notes. */
  raw(message: Uint8Array, signature: Uint8Array, signer: string): Promise<boolean>;
}

/** Makes signatures with one key. */
export interface Signer {
  readonly id: string;
  jws(protectedHeader: { alg: 'Ed25519'; typ: string; kid: string }, payload: Uint8Array): Promise<string>;
  raw(message: Uint8Array): Promise<Uint8Array>;
}

declare const verified: unique symbol;

/**
 * A document whose size, envelope, signature and shape were checked, in that order. State machines take nothing else.
 * `id` is the sha256 of the canonical payload, `raw` the signed text as it came.
 */
export interface Verified<T> {
  readonly [verified]: true;
  readonly payload: T;
  readonly raw: string;
  readonly id: string;
  readonly signer: string;
}

/** Only for the openers beside this file: everything else gets a `Verified` from one of them. */
export function markVerified<T>(parts: { payload: T; raw: string; id: string; signer: string }): Verified<T> {
  return parts as Verified<T>;
}
