import { cutTo } from '../../terminal/layout.ts';

/** Lines of each side that are compared: the last ones. */
const linesMax = 400;
/** Equal lines that are shown before and after different ones. */
const around = 2;
const rowsShownMax = 120;
/** A narrower terminal has no room for two columns. */
const columnsMin = 60;

/** A line of a, of b, or of both where it is the same. */
interface PairedLine {
  a: string | null;
  b: string | null;
}

/** Pairs equal lines of two texts, the last 400 of each: those that are left over stand on one side only. */
export function pairTexts(a: readonly string[], b: readonly string[]): PairedLine[] {
  const [left, right] = [a.slice(-linesMax), b.slice(-linesMax)];
  // Length of the longest common subsequence of what begins at i and j.
  const common = Array.from({ length: left.length + 1 }, () => new Uint16Array(right.length + 1));
  const at = (i: number, j: number): number => common[i]?.[j] ?? 0;
  for (let i = left.length - 1; i >= 0; i--) {
    const row = common[i];
    if (row === undefined) continue;
    for (let j = right.length - 1; j >= 0; j--)
      row[j] = left[i] === right[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  }
  const pairs: PairedLine[] = [];
  let [i, j] = [0, 0];
  while (i < left.length || j < right.length) {
    const [one = null, other = null] = [left[i], right[j]];
    if (one !== null && one === other) {
      pairs.push({ a: one, b: other });
      i++;
      j++;
    } else if (other === null || (one !== null && at(i + 1, j) >= at(i, j + 1))) {
      pairs.push({ a: one, b: null });
      i++;
    } else {
      pairs.push({ a: null, b: other });
      j++;
    }
  }
  return pairs;
}

/** Rows that show where two texts differ, in two columns of `width` together, or below each other where that is too narrow. */
export function sideBySide(pairs: readonly PairedLine[], width: number): string[] {
  const lines = beside(pairs);
  const isNear = (at: number) => lines.slice(Math.max(0, at - around), at + around + 1).some(differs);
  const rows: string[] = [];
  let hidden = 0;
  const sayHidden = () => {
    if (hidden > 0) rows.push(`… ${hidden} lines alike`);
    hidden = 0;
  };
  for (const [at, line] of lines.entries()) {
    if (!isNear(at)) {
      hidden++;
      continue;
    }
    sayHidden();
    if (rows.length >= rowsShownMax) return [...rows, '… and more: quorate logs prints all of it'];
    rows.push(...(width < columnsMin ? narrowRows(line, width) : [wideRow(line, width)]));
  }
  sayHidden();
  return rows;
}

const differs = ({ a, b }: PairedLine): boolean => a !== b;

/** Puts lines of a beside the lines of b that stand in their place. */
function beside(pairs: readonly PairedLine[]): PairedLine[] {
  const rows: PairedLine[] = [];
  let of: { a: string[]; b: string[] } = { a: [], b: [] };
  const flush = () => {
    for (let n = 0; n < Math.max(of.a.length, of.b.length); n++)
      rows.push({ a: of.a[n] ?? null, b: of.b[n] ?? null });
    of = { a: [], b: [] };
  };
  for (const pair of pairs) {
    if (!differs(pair)) {
      flush();
      rows.push(pair);
    }
    if (differs(pair) && pair.a !== null) of.a.push(pair.a);
    if (differs(pair) && pair.b !== null) of.b.push(pair.b);
  }
  flush();
  return rows;
}

function wideRow({ a, b }: PairedLine, width: number): string {
  const cell = Math.floor((width - 3) / 2);
  const mark = a === b ? '│' : a === null ? '>' : b === null ? '<' : '≠';
  return `${cutTo(a ?? '', cell).padEnd(cell)} ${mark} ${cutTo(b ?? '', cell)}`.trimEnd();
}

function narrowRows({ a, b }: PairedLine, width: number): string[] {
  const row = (mark: string, text: string | null) => (text === null ? [] : [cutTo(`${mark} ${text}`, width)]);
  return a === b ? row(' ', a) : [...row('a', a), ...row('b', b)];
}
