import { type Charter, parseNoteKey, type Verifier } from '../../protocol/documents/index.ts';
import type { Tell } from '../../protocol/sessions/ports.ts';
import { HttpWitness } from '../../witness/index.ts';
import type { ExternalWitness } from '../sessions/ports.ts';

interface NamedWitnessOptions {
  urls: ReadonlyMap<string, string>;
  verifier: Verifier;
  closing: AbortSignal;
  tell: Tell;
}

export class NamedWitnesses {
  readonly #options: NamedWitnessOptions;
  /** By verifier key. Those of the last charter. */
  #known = new Map<string, HttpWitness | undefined>();

  constructor(options: NamedWitnessOptions) {
    this.#options = options;
  }

  /** Those of this charter. Tells once which of them cannot be asked. */
  of({ witnesses }: Charter): readonly ExternalWitness[] {
    const keys = witnesses?.keys ?? [];
    this.#known = new Map(keys.map((key) => [key, this.#known.get(key) ?? this.#reach(key)]));
    return [...this.#known.values()].flatMap((witness) => witness ?? []);
  }

  #reach(key: string): HttpWitness | undefined {
    const { urls, verifier, closing, tell } = this.#options;
    const { name } = parseNoteKey(key);
    const url = urls.get(name);
    if (url !== undefined) return new HttpWitness({ key, url, verifier, closing });
    if (!this.#known.has(key))
      tell('warn', 'witness', `the charter names the witness ${name}; where it is, --witness-url tells`);
    return undefined;
  }
}
