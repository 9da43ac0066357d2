import { type ErrorCode, messageOf, QuorateError } from '../protocol/base/errors.ts';
import { escapeLine } from '../protocol/base/escape.ts';
import { wholeBytes } from '../protocol/base/whole-bytes.ts';

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
