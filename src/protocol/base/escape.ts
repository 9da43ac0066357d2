import { limits } from './limits.ts';

/** A colour or style of a terminal (ECMA-48 SGR): means nothing to a reader, so it goes without a trace. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this file is about
const colours = /\u001b\[[0-9;:]{0,40}m/g;
/** C0 besides tab, line feed and ESC, DEL, C1; separators that look like line breaks; marks that turn the reading order; what cannot be seen (Default_Ignorable_Code_Point, but for the variants of a picture). */
const others = String.raw`\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}`;
/** These, line feeds, ESC and lone surrogates. */
const harmful = new RegExp(String.raw`[\u000a\u001b${others}]|\p{Surrogate}`, 'gu');
const escaped = (char: string): string => {
  const code = (char.codePointAt(0) ?? 0).toString(16);
  if (code.length <= 2) return `\\x${code.padStart(2, '0')}`;
  return code.length <= 4 ? `\\u${code.padStart(4, '0')}` : `\\u{${code}}`;
};

/**
 * One line of foreign text, safe on a terminal and in a page: colours are dropped, other control or invisible characters become
 * escapes (`\x1b`, `\u202e`), tabs stay. More than `maxChars` UTF-16 units are cut visibly.
 */
export function escapeLine(text: string, maxChars: number = limits.logLineBytesMax): string {
  // Cut first: the work done is bounded whatever arrives.
  const cut = text.length > maxChars;
  const kept = cut ? text.slice(0, maxChars) : text;
  const safe = kept.replace(colours, '').replace(harmful, escaped);
  return cut ? `${safe} … (cut)` : safe;
}

/** Colours, bold, faint, italic and underlined, and what ends them: nothing that hides text or makes it blink. */
const harmlessStyles = String.raw`(?:0|1|2|3|4|7|22|23|24|27|39|49|3[0-7]|4[0-7]|9[0-7]|10[0-7]|[34]8[;:](?:5[;:]\d{1,3}|2(?:[;:]\d{1,3}){3}))?`;
const harmlessStyle = new RegExp(`^${harmlessStyles}$`);

/** The first character of what `escapeLine` would change in a text of several lines; a carriage return ends a line as well. */
const notPlain = new RegExp(String.raw`[\u001b${others}]|\p{Surrogate}`, 'gu');
/** The same of `escapeColouredLine`, to which a sequence with one harmless style is nothing to change. */
const notPlainColoured = new RegExp(
  String.raw`[${others}]|\u001b(?!\[${harmlessStyles}m)|\p{Surrogate}`,
  'gu',
);

/** `escapeLine` that leaves harmless colours and styles where they are, for a page that shows them. */
export function escapeColouredLine(text: string, maxChars: number = limits.logLineBytesMax): string {
  const cut = text.length > maxChars;
  const kept = cut ? text.slice(0, maxChars) : text;
  let safe = '';
  let from = 0;
  for (const { 0: sequence, index } of kept.matchAll(colours)) {
    safe += kept.slice(from, index).replace(harmful, escaped);
    from = index + sequence.length;
    // One by one: a sequence may name several.
    for (const style of stylesIn(sequence.slice(2, -1)))
      if (harmlessStyle.test(style)) safe += `\u001b[${style}m`;
  }
  safe += kept.slice(from).replace(harmful, escaped);
  return cut ? `${safe} … (cut)` : safe;
}

/** `escapeColouredLine` for each line of a text of any length. */
export const escapeColouredText = (text: string): string =>
  text.search(notPlainColoured) < 0
    ? text
    : text
        .split('\n')
        .map((line) => escapeColouredLine(line, Number.POSITIVE_INFINITY))
        .join('\n');

/** `1;38;5;196;4` is `1`, `38;5;196` and `4`. */
const stylesIn = (parameters: string): string[] =>
  parameters.match(/[34]8[;:](?:5[;:]\d*|2(?:[;:]\d*){0,3})|\d+/g) ?? [''];

/** Text without the colours that `escapeColouredLine` leaves. */
export const withoutColours = (text: string): string => text.replace(colours, '');

/** The same of a text in pieces, whose ends may be within a sequence. */
export async function* piecesWithoutColours(pieces: AsyncIterable<string>): AsyncGenerator<string> {
  let held = '';
  for await (const piece of pieces) {
    const text = held + piece;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the beginning of a sequence
    const end = /\u001b(?:\[[0-9;:]{0,40})?$/.exec(text)?.index ?? text.length;
    held = text.slice(end);
    if (end > 0) yield withoutColours(text.slice(0, end));
  }
  if (held !== '') yield held;
}

/** JSON on one line, safe on a terminal: what `escapeLine` escapes stands as `\\uXXXX`, so the parsed value is the same. */
export const jsonLine = (value: unknown): string => JSON.stringify(value).replace(harmful, jsonEscaped);

/** A foreign name for a message: quoted, at most 200 characters, the rest as of `jsonLine`. */
export const printable = (name: string): string =>
  jsonLine(name.length > 200 ? `${name.slice(0, 200)}…` : name);

/** `jsonLine` on several lines, indented, with a line break at the end: for files that people read too. */
export const jsonPage = (value: unknown): string =>
  `${JSON.stringify(value, null, 2).replace(harmful, (char) => (char === '\n' ? char : jsonEscaped(char)))}\n`;

const jsonEscaped = (char: string): string =>
  [...Array(char.length).keys()]
    .map((at) => `\\u${char.charCodeAt(at).toString(16).padStart(4, '0')}`)
    .join('');

/** Splits a stream of foreign text into harmless lines; holds at most one line of `maxChars` back. */
export class LineEscaper {
  #pending = '';
  /** The rest of a line too long to show is passed over, up to its end. */
  #skipping = false;
  readonly #maxChars: number;
  readonly #escape: (line: string, maxChars: number) => string;
  readonly #notPlain: RegExp;

  /** @param colours leaves harmless ones, as `escapeColouredLine` does */
  constructor(maxChars: number = limits.logLineBytesMax, { colours: coloured = false } = {}) {
    this.#maxChars = maxChars;
    this.#escape = coloured ? escapeColouredLine : escapeLine;
    this.#notPlain = coloured ? notPlainColoured : notPlain;
  }

  /** The lines that `chunk` completes. A lone carriage return ends a line too: what it would hide stays visible. */
  push(chunk: string): string[] {
    const lines: string[] = [];
    let rest = this.#pending + chunk;
    this.#pending = '';
    for (;;) {
      const end = /\r\n|\n|\r(?=[^\n])/.exec(rest);
      if (end === null) break;
      if (this.#skipping) this.#skipping = false;
      else lines.push(this.#escape(rest.slice(0, end.index), this.#maxChars));
      rest = rest.slice(end.index + end[0].length);
    }
    if (!this.#skipping && rest.length > this.#maxChars + 1) {
      lines.push(this.#escape(rest, this.#maxChars));
      this.#skipping = true;
    }
    // Of a line passed over only a possible end counts.
    this.#pending = !this.#skipping ? rest : rest.endsWith('\r') ? '\r' : '';
    return lines;
  }

  /** The same lines as a text, each with a line break at its end. Lines in which nothing changes are not handled one by one. */
  pushText(chunk: string): string {
    if (this.#skipping) return joined(this.push(chunk));
    const text = this.#pending + chunk;
    this.#pending = '';
    const end = text.lastIndexOf('\n') + 1;
    let out = '';
    // Where many lines change, more of them are handled one by one before the next look.
    let chars = 0;
    for (let at = 0; ; ) {
      const plainEnd = this.#plainEnd(text, at, end);
      out += text.slice(at, plainEnd);
      if (plainEnd === end) break;
      chars = Math.max(0, 2 * chars + 64 - (plainEnd - at));
      at = text.indexOf('\n', Math.min(plainEnd + chars, end - 1)) + 1;
      out += joined(this.push(text.slice(plainEnd, at)));
    }
    return out + joined(this.push(text.slice(end)));
  }

  /** The rest of a text that ends without a line break. */
  end(): string[] {
    const rest = this.#pending.replace(/\r$/, '');
    this.#pending = '';
    return rest === '' ? [] : [this.#escape(rest, this.#maxChars)];
  }

  /** `end` as `pushText` gives it. */
  endText(): string {
    return joined(this.end());
  }

  /** Where the first line begins, of those from `at` on, in which something changes; `end`, which is that of a line, where there is none. */
  #plainEnd(text: string, at: number, end: number): number {
    this.#notPlain.lastIndex = at;
    const found = this.#notPlain.exec(text)?.index ?? end;
    const plainEnd = text.lastIndexOf('\n', Math.min(found, end)) + 1;
    for (let from = at; ; ) {
      const lineEnd = text.lastIndexOf('\n', Math.min(from + this.#maxChars, plainEnd));
      if (lineEnd < from) return from;
      from = lineEnd + 1;
    }
  }
}

/** Lines as a text, each with a line break at its end. */
const joined = (lines: readonly string[]): string => (lines.length === 0 ? '' : `${lines.join('\n')}\n`);

/** Ours are three levels deep. */
const valueDepthMax = 8;

/** A JSON value with each text in it, and each name of a field, as these make them; what is nested too deep is left out. */
export function mapTexts(
  value: unknown,
  ofText: (text: string) => string,
  ofName = ofText,
  depth = 0,
): unknown {
  if (typeof value === 'string') return ofText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= valueDepthMax) return null;
  const mapped = (item: unknown) => mapTexts(item, ofText, ofName, depth + 1);
  if (Array.isArray(value)) return value.map(mapped);
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [ofName(name), mapped(item)]));
}

/** Foreign JSON in which each text and name is one harmless line. */
export const escapeValue = (value: unknown): unknown => mapTexts(value, (text) => escapeLine(text));
