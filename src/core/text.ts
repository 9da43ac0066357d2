import { QuorateError } from './errors.ts';

/** In every JavaScript engine, yet in no lib of this project: the core takes nothing from DOM or Node. */
declare const TextDecoder: new (
  label: 'utf-8',
  options: { fatal: true; ignoreBOM: true },
) => { decode(bytes: Uint8Array): string };
declare const TextEncoder: new () => { encode(text: string): Uint8Array };

// Made once: that takes longer than most texts do.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

export const toUtf8 = (text: string): Uint8Array => encoder.encode(text);

/** Strict: throws `DOC_NOT_UTF8` where bytes are not UTF-8. */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new QuorateError('DOC_NOT_UTF8', 'the bytes are not UTF-8', { cause });
  }
}
