/** Colours of a text, which take no column. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: what colours begin with
const colours = /\u001b\[[0-9;]*m/g;
/** Characters of two columns: of East Asia, and pictures. */
const wide =
  /[\u1100-\u115f\u2329\u232a\u2630-\u2637\u268a-\u268f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe1f\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{16fe0}-\u{18dff}\u{1aff0}-\u{1b2ff}\u{1d300}-\u{1d37f}\u{1f200}-\u{1faff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
/** A mark that is spaced has a column of its own. */
const combining = /[\p{Mn}\p{Me}]/u;
const tabWidth = 8;

/** At most: a row that takes more columns than it seems to would wrap, and be drawn over in part. */
const charWidth = (char: string): number =>
  char === '\t' ? tabWidth : wide.test(char) ? 2 : combining.test(char) ? 0 : 1;

/** Columns that a text takes on a terminal. */
export function textWidth(text: string): number {
  const plain = text.replace(colours, '');
  if (/^[\u0020-\u007e]*$/.test(plain)) return plain.length;
  let width = 0;
  for (const char of plain) width += charWidth(char);
  return width;
}

/** Cuts a text without colours to a width, visibly. */
export function cutTo(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  let kept = '';
  let left = width - 1;
  for (const char of text) {
    left -= charWidth(char);
    if (left < 0) break;
    kept += char;
  }
  return `${kept}…`;
}

/** Leaves the middle of a long name out: its end tells names apart that begin alike. */
export function shortened(name: string, width: number): string {
  const chars = [...name];
  if (textWidth(name) <= width || chars.length < 4) return name;
  const end = Math.floor((width - 1) / 2);
  return `${chars.slice(0, width - 1 - end).join('')}…${chars.slice(-end).join('')}`;
}

const padTo = (text: string, width: number): string =>
  text + ' '.repeat(Math.max(0, width - textWidth(text)));

/** Text of the last column that is worth a column of its own. */
const lastWidthMin = 24;

/** Left-aligned columns, two spaces apart, without trailing spaces. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = widthsOf(rows);
  return rows.map((row) =>
    row
      .map((cell, at) => (at === row.length - 1 ? cell : padTo(cell, widths[at] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

function widthsOf(rows: readonly (readonly string[])[]): number[] {
  const widths: number[] = [];
  for (const row of rows)
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, textWidth(cell));
  return widths;
}

/**
 * Columns where they fit in the width. Else the last one, where there is room for it, is broken between words; else each row is a block: its
 * cells one after the other, the further lines indented. No cell is cut. `breaks`: whether the text of a cell may be broken.
 */
export function table(
  rows: readonly (readonly string[])[],
  { width, indent = '', breaks = true }: { width: number; indent?: string; breaks?: boolean },
): string[] {
  const lines = columns(rows).map((line) => indent + line);
  if (lines.every((line) => textWidth(line) <= width)) return lines;
  const widths = widthsOf(rows);
  const head = indent.length + widths.slice(0, -1).reduce((sum, one) => sum + one + 2, 0);
  if (breaks && width - head >= lastWidthMin)
    return lines.flatMap((line) => broken(line, width, ' '.repeat(head)));
  return rows.flatMap((row) => block(row, { width, indent, breaks }));
}

function block(
  row: readonly string[],
  { width, indent, breaks }: { width: number; indent: string; breaks: boolean },
): string[] {
  const lines: string[] = [];
  let line = '';
  const below = `${indent}    `;
  for (const cell of row.filter((one) => one !== '')) {
    if (line === '') line = indent + cell;
    else if (textWidth(line) + 2 + textWidth(cell) <= width) line += `  ${cell}`;
    else {
      lines.push(line);
      line = below + cell;
    }
  }
  if (line !== '') lines.push(line);
  return breaks ? lines.flatMap((one) => broken(one, width, below)) : lines;
}

/** The end of a text before a command. */
const beforeCommand = /: (?=(?:sudo )?(?:quorate|git|npm|systemctl|apt-get|cp)(?: |$))/g;
/** A sentence that goes on is no command. */
const goesOn = /[;,.] \S|[;,]$/;
/** The words of a command that stands within a text: program, verb, and what can be nothing else. */
const within = /\b(quorate [a-z]+(?: (?:--?[a-z][\w-]*|<[^>]*>|[0-9a-f]{8,}|baf[a-z2-7]+|12D3KooW\w+))*)/g;
/** A number and its unit. */
const amounts = /\b\d+(?:\.\d+)? (?:[KMGT]iB|B|ms|s|min|h|d)\b/g;
const glue = '\u00a0';

/** A label and the spaces behind it, or the spaces before a text: the further lines of it stand below its first one. */
const labelled = /^ *(?:[^\s:]+(?: [^\s:]+)? {2,})?/;
const labelMax = 24;
/** A longer line is no text, and is left to the terminal. */
const lineCharsMax = 4_000;

/**
 * A line of a text as lines of this width, broken between words. Those after the first stand below the text behind a label (`lends      2 cpus…`).
 * A command is not broken: one at the end (`…: quorate show 3f9a…`) goes to a line of its own, where the whole does not fit.
 */
export function laid(line: string, width: number): string[] {
  if (line.length > lineCharsMax || textWidth(line) <= width) return [line];
  const plain = line.replace(colours, '');
  const label = labelled.exec(plain)?.[0] ?? '';
  const indent = ' '.repeat(label.length <= labelMax && label.length < plain.length ? label.length : 0);
  const [before, last] = commandAtEnd(line) ?? [];
  if (before === undefined || last === undefined) return broken(line, width, indent);
  return [...broken(before, width, indent), `${indent === '' ? '  ' : indent}${last}`];
}

function commandAtEnd(line: string): [before: string, command: string] | undefined {
  for (const { index } of line.matchAll(beforeCommand)) {
    const rest = line.slice(index + 2);
    if (!goesOn.test(rest)) return [line.slice(0, index + 1), rest];
  }
  return undefined;
}

/** Breaks a line between words. What has no space is left whole, however long. */
function broken(line: string, width: number, indent: string): string[] {
  if (textWidth(line) <= width) return [line];
  const kept = (words: string) => words.replaceAll(' ', glue);
  const glued = line.replaceAll(within, kept).replaceAll(amounts, kept);
  const start = /^ */.exec(glued)?.[0] ?? '';
  const lines: string[] = [];
  let current = start;
  let isEmpty = true;
  // The first line keeps the spaces between a label and its text.
  for (const [space, word] of pairs(glued.slice(start.length))) {
    const next = isEmpty ? current + word : `${current}${space}${word}`;
    const isLabel = lines.length === 0 && textWidth(current) + space.length <= indent.length;
    // Where the word fits in no line, another one would not help.
    if (isEmpty || isLabel || textWidth(next) <= width || textWidth(word) > width) {
      current = next;
      isEmpty = false;
      continue;
    }
    lines.push(current);
    current = indent + word;
  }
  return [...lines, current].map((one) => one.replaceAll(glue, ' '));
}

/** Words, each with the spaces before it. */
const pairs = (text: string): [space: string, word: string][] =>
  [...text.matchAll(/( *)([^ ]+)/g)].map(([, space = '', word = '']) => [space, word]);
