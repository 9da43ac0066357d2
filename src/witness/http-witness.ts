import { type ErrorCode, messageOf, QuorateError } from '../protocol/base/errors.ts';
import { escapeLine } from '../protocol/base/escape.ts';
import { wholeBytes } from '../protocol/base/whole-bytes.ts';
import { parseNoteKey, type Verifier } from '../protocol/documents/index.ts';
import { openNamedWitnesses } from '../protocol/transparency/index.ts';

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

/** Longest answer: a few signature lines, or a size. */
const answerBytesMax = 4096;

export type Answer =
  /** Its signature lines, each with its line feed. Not verified. */
  | { kind: 'signed'; lines: string[] }
  /** It knows the log at this size, which is another than the proof begins at. */
  | { kind: 'conflict'; size: number };

export interface Question {
  /** Prefix of the witness's paths, `https://witness.example.org`. */
  url: string;
  note: string;
  /** Size of the log that the witness signed last, as far as is known here; 0 for none. */
  oldSize: number;
  /** Proof of consistency from that size on, in hexadecimal. */
  proof: readonly string[];
  signal: AbortSignal;
}

/**
 * Shows a checkpoint to a witness and asks for its signature: the call `add-checkpoint` of C2SP tlog-witness. Follows no redirect.
 * @throws WITNESS_REFUSED, WITNESS_PROOF_REFUSED, WITNESS_ANSWER_INVALID, WITNESS_UNREACHABLE
 */
export async function addCheckpoint({ url, note, oldSize, proof, signal }: Question): Promise<Answer> {
  const hashes = proof.map((hash) => `${Buffer.from(hash, 'hex').toString('base64')}\n`).join('');
  const where = `${url.replace(/\/$/, '')}/add-checkpoint`;
  const body = `old ${oldSize}\n${hashes}\n${note}`;
  const headers = { 'content-type': 'text/plain; charset=utf-8' };
  try {
    const response = await fetch(where, { method: 'POST', body, headers, signal, redirect: 'error' });
    return decodeAnswer(response.status, await readBounded(response));
  } catch (cause) {
    const { code, message } =
      cause instanceof QuorateError
        ? cause
        : { code: 'WITNESS_UNREACHABLE' as const, message: messageOf((cause as Error).cause ?? cause) };
    throw new QuorateError(code, `${where}: ${escapeLine(message, 300)}`, { cause });
  }
}

/** Status and body of an answer. @throws as `addCheckpoint` */
export function decodeAnswer(status: number, text: string): Answer {
  const refused = (code: ErrorCode, says: string) =>
    new QuorateError(code, `${says}: ${text.trim().slice(0, 200)}`);
  switch (status) {
    case 200: {
      const lines = text.split(/(?<=\n)/);
      if (lines.every((line) => /^\u2014 [^\s+]+ [A-Za-z0-9+/=]+\n$/u.test(line)))
        return { kind: 'signed', lines };
      throw refused('WITNESS_ANSWER_INVALID', 'the answer is not made of signature lines');
    }
    case 409: {
      const [, size] = /^(0|[1-9][0-9]{0,14})\n$/.exec(text) ?? [];
      if (size !== undefined) return { kind: 'conflict', size: Number(size) };
      throw refused('WITNESS_ANSWER_INVALID', 'the answer does not say which size of the log it knows');
    }
    case 403:
      throw refused('WITNESS_REFUSED', 'it does not sign');
    case 404:
      throw refused('WITNESS_REFUSED', 'it does not know this log');
    case 422:
      throw refused('WITNESS_PROOF_REFUSED', 'it refuses the proof');
    default:
      throw refused('WITNESS_UNREACHABLE', `it answered ${status}`);
  }
}

async function readBounded({ body }: Response): Promise<string> {
  const tooLong = () =>
    new QuorateError('WITNESS_ANSWER_INVALID', `the answer has more than ${answerBytesMax} bytes`);
  const bytes = body && (await wholeBytes(body, answerBytesMax, tooLong));
  return Buffer.from(bytes ?? []).toString('utf8');
}
