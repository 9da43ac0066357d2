/**
 * Documents that were opened or signed lately, and bundles that held, by kind and exact text; the least recently used are given up
 * first. Of a document it holds what follows from the text alone: envelope, signatures and shape. What can change is never held:
 * whether the signer may say it, the time, revocations. The text of a bundle has in it all that it held under.
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
