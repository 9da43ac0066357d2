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

/** Text without control characters, line separators, and characters that change the direction of text: all that a signed text holds. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: refusing control characters is the point
export const withoutControl = /^[^\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]*$/u;

/** Strict: throws `DOC_NOT_UTF8` where bytes are not UTF-8. */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new QuorateError('DOC_NOT_UTF8', 'the bytes are not UTF-8', { cause });
  }
}

/** Lines of at most `most` characters, broken at spaces. */
export function wrapped(text: string, most: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1) ?? '';
    if (last !== '' && last.length + 1 + word.length > most) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
}

/** Order of texts by their UTF-16 code units, for `sort`: the same whatever the language of the host is. */
export const compareTexts = (a: string, b: string): number => Number(a > b) - Number(a < b);

/** The first and last characters of an id: ids of one kind begin alike. */
export function shortId(id: string): string {
  return id.length <= 16 ? id : `${id.slice(0, 7)}…${id.slice(-6)}`;
}
