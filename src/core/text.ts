import { utf8ToBytes } from '@noble/hashes/utils.js';
import { QuorateError } from './errors.ts';

/** In every JavaScript engine, yet in no lib of this project: the core takes nothing from DOM or Node. */
declare const TextDecoder: new (
  label: 'utf-8',
  options: { fatal: true; ignoreBOM: true },
) => { decode(bytes: Uint8Array): string };

export const toUtf8: (text: string) => Uint8Array = utf8ToBytes;

/** Strict: throws `DOC_NOT_UTF8` where bytes are not UTF-8. */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new QuorateError('DOC_NOT_UTF8', 'the bytes are not UTF-8', { cause });
  }
}
