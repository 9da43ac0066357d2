/**
 * Documents opened or signed lately, and bundles that held, by kind and exact text; least recently used go first. Holds only what
 * follows from the text: never authority, time or revocations.
 */
export class DocumentMemory {
  readonly #charsMax: number;
  /** In order of use, by text: a text is a document of one kind. */
  readonly #held = new Map<string, { kind: string; document: object }>();
  #chars = 0;

  /** `charsMax`: of all texts together. One of more than an eighth of that is not held. */
  constructor(charsMax: number) {
    this.#charsMax = charsMax;
  }

  get(kind: string, text: string): object | undefined {
    const held = this.#held.get(text);
    if (held?.kind !== kind) return undefined;
    this.#held.delete(text);
    this.#held.set(text, held);
    return held.document;
  }

  /** Freezes the document: it is given to everybody who opens the same text. */
  put(kind: string, text: string, document: object): void {
    if (text.length > this.#charsMax / 8) return;
    if (this.#held.delete(text)) this.#chars -= text.length;
    this.#held.set(text, { kind, document: deepFreeze(document) });
    this.#chars += text.length;
    for (const [oldest] of this.#held) {
      if (this.#chars <= this.#charsMax) break;
      this.#held.delete(oldest);
      this.#chars -= oldest.length;
    }
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const key of Object.keys(value)) deepFreeze((value as Record<string, unknown>)[key]);
  }
  return value;
}

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

/** A document whose size, envelope, signature and shape were checked. `id`: sha256 of the payload; `raw`: the signed text. */
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
