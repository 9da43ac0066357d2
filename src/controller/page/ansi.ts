import { escapeLine } from '../../protocol/base/escape.ts';

/** Text of a log as HTML. Colours (ECMA-48 SGR) become the nearest of eight classes, without backgrounds; all other text is escaped. */
export function logLineHtml(line: string): string {
  if (!line.includes('\u001b')) return escapeText(line);
  const style = new Style();
  let html = '';
  let from = 0;
  for (const match of line.matchAll(sgr)) {
    html += span(line.slice(from, match.index), style.classes);
    style.apply(match[1] ?? '');
    from = match.index + match[0].length;
  }
  return html + span(line.slice(from), style.classes);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: sequences of a terminal are what this file is about
const sgr = /\u001b\[([0-9;:]{0,40})m/g;
const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text of others as HTML: control and invisible characters become visible escapes. */
export const escapeText = (text: string): string =>
  escapeLine(text, Number.POSITIVE_INFINITY).replace(/[&<>"']/g, (char) => entities[char] ?? '');

const span = (text: string, classes: string): string =>
  text === ''
    ? ''
    : classes === ''
      ? escapeText(text)
      : `<span class="${classes}">${escapeText(text)}</span>`;

/** Classes of marks by the SGR codes that set and end them. */
const marksBeginning: Readonly<Record<number, string>> = { 1: 'b', 2: 'd', 3: 'i', 4: 'u', 7: 'b' };
const marksEnding: Readonly<Record<number, string>> = { 22: 'bd', 23: 'i', 24: 'u', 27: 'b' };

class Style {
  #colour = 0;
  readonly #marks = new Set<string>();

  get classes(): string {
    return [...(this.#colour === 0 ? [] : [`c${this.#colour}`]), ...this.#marks].join(' ');
  }

  apply(parameters: string): void {
    const codes = parameters.split(/[;:]/).map(Number);
    for (let at = 0; at < codes.length; at++) {
      const code = codes[at] ?? 0;
      if (code === 38 || code === 48) {
        const [colour, used] = extended(codes.slice(at + 1));
        if (code === 38 && colour !== undefined) this.#colour = colour;
        at += used;
      } else this.#plain(code);
    }
  }

  #plain(code: number): void {
    const marks = this.#marks;
    if (code === 0) marks.clear();
    for (const mark of marksEnding[code] ?? []) marks.delete(mark);
    const mark = marksBeginning[code];
    if (mark !== undefined) marks.add(mark);
    if (code === 0 || code === 39) this.#colour = 0;
    else if (30 <= code && code <= 37) this.#colour = named(code - 30);
    else if (90 <= code && code <= 97) this.#colour = named(code - 90);
  }
}

/** Black and white are the text's own colour: one of them cannot be read on the page. */
const named = (colour: number): number => (colour === 0 || colour === 7 ? 0 : colour);

/** `5;n` and `2;r;g;b`: the nearest of eight colours, and how many numbers it took. */
function extended(codes: readonly number[]): [colour: number | undefined, used: number] {
  const [kind, a = 0, b = 0, c = 0] = codes;
  if (kind === 2) return [nearest(a, b, c), 4];
  if (kind !== 5) return [undefined, 0];
  if (a < 16) return [named(a % 8), 2];
  if (a >= 232) return [0, 2];
  const cube = a - 16;
  return [
    nearest(
      (Math.floor(cube / 36) * 255) / 5,
      ((Math.floor(cube / 6) % 6) * 255) / 5,
      ((cube % 6) * 255) / 5,
    ),
    2,
  ];
}

function nearest(red: number, green: number, blue: number): number {
  const most = Math.max(red, green, blue);
  const least = Math.min(red, green, blue);
  // Without a hue it is the text's own colour.
  if (most - least < 40) return 0;
  const middle = (most + least) / 2;
  return (red > middle ? 1 : 0) + (green > middle ? 2 : 0) + (blue > middle ? 4 : 0);
}
