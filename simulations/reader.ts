import {
  type MessageKind,
  type Messages,
  openMessage,
  openStatement,
  type Receipt,
  type Verdict,
  type Verified,
  type VerifiedStatement,
  type Verifier,
} from '../src/protocol/documents/index.ts';
import type { Documents } from '../src/protocol/sessions/ports.ts';

/** Opens documents through the real openers, each text once: a hundred machines read the same offer. */
export class Reader implements Documents {
  readonly verifier: Verifier;
  readonly #opened = new Map<string, Promise<unknown>>();

  constructor(verifier: Verifier) {
    this.verifier = verifier;
  }

  message<K extends MessageKind>(kind: K, raw: string): Promise<Verified<Messages[K]>> {
    return this.#once(`${kind} ${raw}`, () => openMessage(kind, raw, this.verifier));
  }

  receipt(raw: string): Promise<VerifiedStatement<Receipt>> {
    return this.#once(`receipt ${raw}`, () => openStatement('receipt', raw, this.verifier));
  }

  verdict(raw: string): Promise<VerifiedStatement<Verdict>> {
    return this.#once(`verdict ${raw}`, () => openStatement('verdict', raw, this.verifier));
  }

  #once<T>(key: string, open: () => Promise<T>): Promise<T> {
    const known = this.#opened.get(key) as Promise<T> | undefined;
    if (known !== undefined) return known;
    const opened = open();
    this.#opened.set(key, opened);
    return opened;
  }
}
