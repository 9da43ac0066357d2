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

/** A witness of others, reached by HTTP. Remembers the size that it signed last; its first answer tells it. */
export class HttpWitness {
  readonly name: string;
  readonly #options: { key: string; url: string; verifier: Verifier; closing: AbortSignal };
  #signed = 0;

  /** `key`: its verifier key, as in the charter. */
  constructor(options: { key: string; url: string; verifier: Verifier; closing: AbortSignal }) {
    this.name = parseNoteKey(options.key).name;
    this.#options = options;
  }

  /**
   * Its lines under a checkpoint, verified. Where it knows another size of the log than is remembered here, it is asked again once, with a
   * proof from there. @throws as `addCheckpoint`, WITNESS_CONFLICT, CHECKPOINT_BAD_SIGNATURE
   */
  async ask({ note, size, prove, timeoutMs }: AskedWitness): Promise<string[]> {
    const { key, url, verifier, closing } = this.#options;
    const signal = AbortSignal.any([closing, AbortSignal.timeout(timeoutMs)]);
    const ask = (oldSize: number) => addCheckpoint({ url, note, oldSize, proof: prove(oldSize), signal });
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
      if ((await openNamedWitnesses(note + line, [key], verifier)).length > 0) lines.push(line);
    const says = `${url}: no line of the answer is by the key of ${this.name}`;
    if (lines.length === 0) throw new QuorateError('WITNESS_ANSWER_INVALID', says);
    this.#signed = size;
    return lines;
  }
}
