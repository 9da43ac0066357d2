// Finds the first difference of two files and says how it is shown: lines of text, or bytes. Pure: diff.js, which knows the page, loads it.

export const bounds = {
  /** Bytes of each file that are compared. */
  bytesMax: 8 * 1024 * 1024,
  /** Bytes asked for at first; each further piece is twice as long. */
  firstBytes: 64 * 1024,
  /** Bytes after the difference that are asked for too, so that lines have their ends. */
  bytesAfter: 4 * 1024,
  /** Lines before and after the one that differs, and characters of each. */
  linesAround: 3,
  lineChars: 160,
  /** Characters of the line before the difference. */
  charsBefore: 60,
  /** Characters from the difference on in which the end that both lines share is looked for. */
  tailChars: 4096,
  /** Characters of a line in a sentence, and bytes. */
  toldChars: 60,
  toldBytes: 4,
  /** Bytes of a row, and rows before and after the one that differs. */
  rowBytes: 8,
  rowsAround: 3,
};

/** Control and invisible characters, spaces but the plain one, and marks that nothing or too much stands below. A tab is none. */
const hidden = /(?![\t ])[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u2800]|^\p{M}|(?<=\p{M}{2})\p{M}/gu;
const named = { '\t': '\\t', '\n': '\\n', '\r': '\\r' };

const escaped = (char) => {
  const code = char.codePointAt(0).toString(16);
  return named[char] ?? (code.length <= 2 ? `\\x${code.padStart(2, '0')}` : `\\u{${code}}`);
};

/** A text in which nothing is hidden, and nothing turns the order of what is read. */
const visible = (text) => text.replace(hidden, escaped);

/** The same with tabs as escapes too. */
const spelled = (text) => visible(text).replaceAll('\t', named['\t']);

/** The first place at which two arrays differ, from `from` on; the end of the shorter one where it begins the other. */
function firstOther(a, b, from = 0) {
  const end = Math.min(a.length, b.length);
  let at = from;
  while (at < end && a[at] === b[at]) at++;
  return at;
}

/** UTF-8 without NUL, or undefined; `whole`: the file has no further bytes. */
function textOf(bytes, whole) {
  if (bytes.includes(0)) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes, { stream: !whole });
  } catch {
    return undefined;
  }
}

/**
 * How two files that differ are shown. `a`, `b`: their first bytes; `aWhole`, `bWhole`: there are no others. Undefined where these bytes do
 * not differ.
 */
export function differenceOf(a, b, { aWhole, bWhole }) {
  const at = firstOther(a, b);
  const ends = (bytes, whole) => at === bytes.length && whole;
  const isLonger = at < Math.max(a.length, b.length);
  if (at === Math.min(a.length, b.length) && !(isLonger && (ends(a, aWhole) || ends(b, bWhole))))
    return undefined;
  const texts = [textOf(a, aWhole), textOf(b, bWhole)];
  const sides = [
    { bytes: a, whole: aWhole, text: texts[0] },
    { bytes: b, whole: bWhole, text: texts[1] },
  ];
  // The decoder holds back a character that is not whole, in which the difference may be.
  const asText = texts.every((text) => text !== undefined) && texts[0] !== texts[1];
  return asText ? textDifference(sides) : bytesDifference(sides, at);
}

/** Whether a place is between the two halves of a character. */
const isWithin = (text, at) =>
  /[\ud800-\udbff]/.test(text[at - 1] ?? '') && /[\udc00-\udfff]/.test(text[at] ?? '');

function firstOtherChar(a, b) {
  const end = Math.min(a.length, b.length);
  let at = 0;
  while (at < end && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  return isWithin(a, at) || isWithin(b, at) ? at - 1 : at;
}

function countLines(text, until) {
  let count = 1;
  for (let at = text.indexOf('\n'); at !== -1 && at < until; at = text.indexOf('\n', at + 1)) count++;
  return count;
}

/** Where the line begins in which this place is. */
const lineStart = (text, at) => (at === 0 ? 0 : text.lastIndexOf('\n', at - 1) + 1);

/** The part of a text from `from` to `to`, of whole characters. */
const partOf = (text, from, to) =>
  text.slice(isWithin(text, from) ? from + 1 : from, isWithin(text, to) ? to - 1 : to);

function textDifference(sides) {
  const [{ text: a }, { text: b }] = sides;
  const at = firstOtherChar(a, b);
  const start = lineStart(a, at);
  const line = countLines(a, start);
  const column = [...a.slice(start, Math.min(at, start + bounds.tailChars))].length;
  let first = start;
  for (let n = 0; n < bounds.linesAround && first > 0; n++) first = lineStart(a, first - 1);
  const tails = sides.map(({ text }) => text.slice(at, endOfLine(text, at, at + bounds.tailChars)));
  const shared = sharedEnd(...tails);
  const of = { at, start, first, line, shared };
  const [left, right] = sides.map((side) => textSide(side, of));
  for (const [n, row] of left.lines.entries()) {
    const other = right.lines[n];
    if (row.n > line && other !== undefined && left.whole[n] !== right.whole[n])
      row.differs = other.differs = true;
  }
  return {
    kind: 'text',
    line,
    // Beyond, a column is of no use to a reader.
    ...(at - start < bounds.tailChars && { column: column + 1 }),
    sides: [left, right].map(({ whole: _, ...side }) => side),
  };
}

const endOfLine = (text, from, max) => {
  const end = text.indexOf('\n', from);
  return Math.min(end === -1 ? text.length : end, max, text.length);
};

/** Characters at the end that two texts share. */
function sharedEnd(a, b) {
  const most = Math.min(a.length, b.length);
  let count = 0;
  while (count < most && a.at(-1 - count) === b.at(-1 - count)) count++;
  // Of a character that they do not share they may share a half.
  return [a, b].some((text) => isWithin(text, text.length - count)) ? count - 1 : count;
}

function textSide({ text, whole }, { at, start, first, line, shared }) {
  const lines = [];
  const wholeLines = [];
  let from = first;
  let n = line - countLines(text.slice(first, start), start - first) + 1;
  for (; n <= line + bounds.linesAround && from < text.length; n++) {
    const end = text.indexOf('\n', from);
    const to = end === -1 ? text.length : end;
    const isLast = end === -1;
    wholeLines.push(text.slice(from, to));
    lines.push({
      n,
      ...(n === line ? markedLine(text, { from, to, at, shared }) : plainLine(text, from, to)),
      // A part of a line, or the last of a file without a line break.
      ...(isLast && { end: whole ? 'no line break' : 'more' }),
    });
    from = to + 1;
  }
  const own = lines.find((one) => one.n === line);
  const isEnd = at >= text.length && whole;
  return {
    lines,
    whole: wholeLines,
    // The file ends before the difference.
    ...(isEnd && { ended: true }),
    told: own === undefined ? '' : toldLine(text, { start, at }),
    code: text.codePointAt(at),
  };
}

function plainLine(text, from, to) {
  const end = Math.min(to, from + bounds.lineChars);
  return { before: `${visible(partOf(text, from, end))}${end < to ? '…' : ''}`, mark: '', after: '' };
}

/** The line that differs, cut to what is around the difference. */
function markedLine(text, { from, to, at, shared }) {
  const begin = Math.max(from, at - bounds.charsBefore);
  const end = Math.min(to, begin + bounds.lineChars);
  const tail = endOfLine(text, at, at + bounds.tailChars);
  const markEnd = Math.max(at, Math.min(end, tail - shared));
  return {
    differs: true,
    before: `${begin > from ? '…' : ''}${visible(partOf(text, begin, at))}`,
    // Spaces and the end of the line are seen there.
    mark: spelled(text[at] === '\n' ? '\n' : partOf(text, at, markEnd)).replaceAll(' ', '·'),
    after: `${visible(partOf(text, markEnd, end))}${end < to ? '…' : ''}`,
  };
}

/** The line around the difference as a sentence has it. */
function toldLine(text, { start, at }) {
  const begin = Math.max(start, at - bounds.toldChars / 3);
  const to = endOfLine(text, at, begin + bounds.toldChars);
  const rest = text[at] === '\n' ? named['\n'] : to < text.length && text[to] !== '\n' ? '…' : '';
  return `${begin > start ? '…' : ''}${spelled(partOf(text, begin, to))}${rest}`;
}

function bytesDifference(sides, at) {
  const { rowBytes, rowsAround } = bounds;
  const row = Math.floor(at / rowBytes);
  const first = Math.max(0, row - rowsAround);
  const [a, b] = sides;
  const sideOf = ({ bytes, whole }, other) => {
    const rows = [];
    for (let n = first; n <= row + rowsAround && n * rowBytes < bytes.length; n++) {
      const offset = n * rowBytes;
      const cells = [...bytes.subarray(offset, offset + rowBytes)].map((byte, place) => ({
        hex: byte.toString(16).padStart(2, '0'),
        char: byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.',
        differs: offset + place >= at && other.bytes[offset + place] !== byte,
      }));
      rows.push({ offset, cells, differs: cells.some(({ differs }) => differs) });
    }
    return {
      rows,
      ...(at >= bytes.length && whole && { ended: true }),
      told: [...bytes.subarray(at, at + bounds.toldBytes)].map((byte) => byte.toString(16).padStart(2, '0')),
    };
  };
  return { kind: 'bytes', offset: at, sides: [sideOf(a, b), sideOf(b, a)] };
}

/** A text in quotes that it cannot end. */
export const quoted = (text) => `“${text.replace(/[“”]/g, escaped)}”`;

/** One sentence for all readers. `name` and `by`, who built each, are texts in which nothing is hidden. */
export function sentenceOf({ kind, sides, line, column, offset }, name, by) {
  const codes = codesOf(sides);
  const parts = sides.map((side, n) => {
    if (side.ended) return `that of ${by[n]} ends there`;
    return `${by[n]} built ${kind === 'text' ? `${quoted(side.told)}${codes[n]}` : side.told.join(' ')}`;
  });
  const place = column === undefined ? `line ${line}` : `line ${line}, column ${column}`;
  const where = kind === 'text' ? place : `byte ${offset} (0x${offset.toString(16)})`;
  return `${quoted(name)}, ${where}: ${parts.join('; ')}.`;
}

/** Numbers of the characters that differ, where one of them may look like another. */
function codesOf(sides) {
  // A backslash may begin what looks like one of `escaped`.
  const isPlain = ({ code }) =>
    code === undefined || code === 0x0a || (code > 0x20 && code < 0x7f && code !== 0x5c);
  return sides.map(({ code }) =>
    code === undefined || sides.every(isPlain)
      ? ''
      : ` (U+${code.toString(16).toUpperCase().padStart(4, '0')})`,
  );
}

/**
 * Compares two files, each given as a function that reads some bytes from a place on, and tells whether there are others after them.
 * Reads no more than the bounds. `isSame`: whether what was read first says that they are the same. Undefined where the files are,
 * `beyond` where what was read of them is.
 */
export async function compareFiles(readers, isSame = () => false) {
  const sides = readers.map((read) => ({ read, bytes: new Uint8Array(), whole: false }));
  const [a, b] = sides;
  const readTo = (length) => Promise.all(sides.map((side) => readSide(side, length)));
  for (let [from, length] = [0, bounds.firstBytes]; ; length *= 2) {
    await readTo(Math.min(from + length, bounds.bytesMax));
    if (isSame()) return undefined;
    from = firstOther(a.bytes, b.bytes, from);
    const ended = sides.filter(({ bytes, whole }) => whole && bytes.length === from);
    if (ended.length === 2) return undefined;
    if (ended.length === 1 || from < Math.min(a.bytes.length, b.bytes.length)) {
      await readTo(from + bounds.bytesAfter);
      return differenceOf(a.bytes, b.bytes, { aWhole: a.whole, bWhole: b.whole });
    }
    if (from >= bounds.bytesMax) return { kind: 'beyond' };
  }
}

async function readSide(side, length) {
  const { read, bytes, whole } = side;
  if (whole || bytes.length >= length) return;
  const piece = await read(bytes.length, length - bytes.length);
  if (piece.bytes.length === 0 && !piece.whole) throw new Error('the server sent nothing');
  side.bytes = new Uint8Array(bytes.length + piece.bytes.length);
  side.bytes.set(bytes);
  side.bytes.set(piece.bytes, bytes.length);
  side.whole = piece.whole;
}
