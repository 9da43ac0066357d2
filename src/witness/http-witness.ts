import { QuorateError } from '../protocol/base/errors.ts';
import { parseNoteKey, type Verifier } from '../protocol/documents/index.ts';
import { openNamedWitnesses } from '../protocol/transparency/index.ts';
import { addCheckpoint } from './add-checkpoint.ts';

export interface AskedWitness {
  note: string;
  /** Leaves of the log under `note`. */
  size: number;
  /** Consistency of these with the first `old`, in hexadecimal. */
  prove(old: number): string[];
  timeoutMs: number;
}

/**
 * A witness of others, reached by HTTP. Remembers the size that it signed last; the first question of a life tells which
 * that is.
 */
export class HttpWitness {
  readonly name: string;
  readonly #key: string;
  readonly #url: string;
  readonly #verifier: Verifier;
  readonly #closing: AbortSignal;
  #signed = 0;

  /** `key`: its verifier key, as in the charter. */
  constructor(options: { key: string; url: string; verifier: Verifier; closing: AbortSignal }) {
    this.name = parseNoteKey(options.key).name;
    this.#key = options.key;
    this.#url = options.url;
    this.#verifier = options.verifier;
    this.#closing = options.closing;
  }

  /**
   * Its lines under a checkpoint, verified. Where it knows another size of the log than is remembered here, it is asked again
   * once, with a proof from there. Errors: those of `addCheckpoint`, `WITNESS_CONFLICT`, `CHECKPOINT_BAD_SIGNATURE`.
   */
  async ask({ note, size, prove, timeoutMs }: AskedWitness): Promise<string[]> {
    const signal = AbortSignal.any([this.#closing, AbortSignal.timeout(timeoutMs)]);
    const ask = (oldSize: number) =>
      addCheckpoint({ url: this.#url, note, oldSize, proof: prove(oldSize), signal });
    let answer = await ask(Math.min(this.#signed, size));
    if (answer.kind === 'conflict' && answer.size <= size) {
      this.#signed = answer.size;
      answer = await ask(answer.size);
    }
    if (answer.kind === 'conflict')
      throw new QuorateError(
        'WITNESS_CONFLICT',
        answer.size > size
          ? `${this.name} signed this log with ${answer.size} leaves; here it has ${size}`
          : `${this.name} signed another log of ${answer.size} leaves than the one here`,
      );
    const lines: string[] = [];
    for (const line of answer.lines)
      if ((await openNamedWitnesses(note + line, [this.#key], this.#verifier)).length > 0) lines.push(line);
    if (lines.length === 0)
      throw new QuorateError(
        'WITNESS_ANSWER_INVALID',
        `${this.#url}: no line of the answer is by the key of ${this.name}`,
      );
    this.#signed = size;
    return lines;
  }
}
