import type { DocumentMemory } from './memory.ts';

/** Checks signatures. Production: Node's crypto, or WebCrypto in a browser (src/identity); the simulator: a fast keyed stand-in. */
export interface Verifier {
  /** Checks a compact JWS (RFC 7515) under the Ed25519 key of `signer`, `alg: Ed25519` (RFC 9864) and nothing else. */
  jws(compact: string, signer: string): Promise<boolean>;
  /** Checks a bare Ed25519 signature (RFC 8032): DSSE envelopes, signed notes. */
  raw(message: Uint8Array, signature: Uint8Array, signer: string): Promise<boolean>;
  /** Documents that were opened with this verifier; absent where none are remembered. */
  readonly opened?: DocumentMemory;
  /** Bundles of inputs that held, with all that they held under; absent where none are remembered. */
  readonly bundles?: DocumentMemory;
}

/** Makes signatures with one key. */
export interface Signer {
  readonly id: string;
  jws(protectedHeader: { alg: 'Ed25519'; typ: string; kid: string }, payload: Uint8Array): Promise<string>;
  raw(message: Uint8Array): Promise<Uint8Array>;
  /** Documents that were signed, by kind and canonical payload; absent where none are remembered. Ed25519 signs a payload one way. */
  readonly signed?: DocumentMemory;
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
