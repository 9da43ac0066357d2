import { escapeLine } from '../../protocol/base/escape.ts';
import { sizeTexts } from '../../protocol/base/quantity.ts';
import type { Difference, FirstDifference, TreeEntry } from '../../store/index.ts';
import { bytes } from '../../terminal/format.ts';
import type { Output } from '../../terminal/output.ts';

/** Length to which a path or the target of a link is cut, in characters. */
const pathCharsMax = 300;

export function entryValue(entry: TreeEntry | undefined): Omit<TreeEntry, 'path'> | null {
  if (entry === undefined) return null;
  const { path: _, ...rest } = entry;
  return rest;
}

export function hexOf(first: FirstDifference | undefined) {
  if (first === undefined) return null;
  const { offset, from, a, b } = first;
  return { offset, from, a: Buffer.from(a).toString('hex'), b: Buffer.from(b).toString('hex') };
}

/** Lines that say in what an entry differs. */
export function linesOf(
  { colours }: Output,
  { path, change, a, b }: Difference,
  first?: FirstDifference,
): string[] {
  const { green, red, yellow } = colours;
  const name = path === '' ? '.' : escapeLine(path, pathCharsMax);
  if (a === undefined) return [`${green(change)}   ${name}: ${textOf(b)}`];
  if (b === undefined) return [`${red(change)} ${name}: ${textOf(a)}`];
  const head = `${yellow(change)} ${name}: `;
  if (a.kind !== b.kind || a.kind === 'link') return [`${head}${textOf(a)} → ${textOf(b)}`];
  if (a.kind === 'dir') return [`${head}the same entries, encoded otherwise`];
  const [sizeA, sizeB] = sizeTexts(a.size, b.size);
  const says = [
    ...(a.size === b.size ? [] : [`${sizeA} → ${sizeB}`]),
    ...(a.executable === b.executable ? [] : [`${modeOf(a)} → ${modeOf(b)}`]),
    ...(first === undefined ? [] : [`bytes differ from offset ${first.offset} on`]),
  ];
  return [
    `${head}${says.length === 0 ? 'the same bytes, encoded otherwise' : says.join('; ')}`,
    ...(first === undefined ? [] : [hexLine('a', first.from, first.a), hexLine('b', first.from, first.b)]),
  ];
}

const modeOf = ({ executable }: TreeEntry): string => (executable ? 'executable' : 'not executable');

function textOf(entry: TreeEntry | undefined): string {
  if (entry?.kind === 'file') return `file, ${bytes(entry.size)}${entry.executable ? ', executable' : ''}`;
  if (entry?.kind === 'link') return `link to ${escapeLine(entry.target ?? '', pathCharsMax)}`;
  return 'folder';
}

/** `  a 00000404  7f 45 4c 46  .ELF`: offset, bytes, and those of them that are printable ASCII. */
function hexLine(side: 'a' | 'b', from: number, shown: Uint8Array): string {
  const hex = [...shown].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const ascii = [...shown].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.'));
  return `  ${side} ${from.toString(16).padStart(8, '0')}  ${hex.padEnd(16 * 3 - 1)}  ${ascii.join('')}`.trimEnd();
}
