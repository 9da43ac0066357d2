import { QuorateError } from '../base/errors.ts';
import { fromBase64, toBase64 } from '../documents/index.ts';
import { transparencyLimits } from './limits.ts';

export interface NoteLine {
  name: string;
  /** First four bytes of the key's hash. */
  keyId: Uint8Array;
  bytes: Uint8Array;
  /** The line itself, with its line feed. */
  text: string;
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function formatLine(name: string, keyId: Uint8Array, bytes: Uint8Array): string {
  return `\u2014 ${name} ${toBase64(concat(keyId, bytes))}\n`;
}

function malformed(message: string): QuorateError {
  return new QuorateError('CHECKPOINT_MALFORMED', message);
}

/** Splits a signed note into the text that is signed and its signature lines. Throws `CHECKPOINT_MALFORMED`. */
export function splitNote(note: string): { body: string; lines: NoteLine[] } {
  if (note.length > transparencyLimits.checkpointCharsMax) {
    throw malformed(
      `a checkpoint of ${note.length} characters; at most ${transparencyLimits.checkpointCharsMax} are read`,
    );
  }
  const end = note.lastIndexOf('\n\n');
  if (end === -1 || !note.endsWith('\n')) throw malformed('the checkpoint is not a signed note');
  const lines = note
    .slice(end + 2, -1)
    .split('\n')
    .map((line) => splitLine(`${line}\n`));
  return { body: note.slice(0, end + 1), lines };
}

/** A signature line with its line feed. Throws `CHECKPOINT_MALFORMED`, `DOC_NOT_BASE64`. */
export function splitLine(line: string): NoteLine {
  const parts = /^\u2014 ([^\s+]+) ([A-Za-z0-9+/=]+)\n$/u.exec(line);
  if (parts === null) throw malformed('the checkpoint has a line that is no signature');
  const [, name = '', base64 = ''] = parts;
  const whole = fromBase64(base64, 'checkpoint signature');
  if (whole.length < 5) throw malformed('the checkpoint has a signature that is too short');
  return { name, keyId: whole.slice(0, 4), bytes: whole.slice(4), text: line };
}
