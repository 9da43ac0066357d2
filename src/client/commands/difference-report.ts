import { escapeLine } from '../../protocol/base/escape.ts';
import { sizeTexts } from '../../protocol/base/quantity.ts';
import {
  type Difference,
  diffTrees,
  type FirstDifference,
  firstDifference,
  type TreeEntry,
} from '../../store/index.ts';
import { bytes } from '../../terminal/format.ts';
import type { Output } from '../../terminal/output.ts';
import type { FilePair } from '../comparison/diffoscope.ts';
import type { Side } from '../comparison/sides.ts';

/** Differences printed as text; the rest are counted. --json prints all. */
const shownMax = 100;
/** Length to which a path or the target of a link is cut, in characters. */
const pathCharsMax = 300;

export interface Found {
  count: Record<Difference['change'], number>;
  /** Files whose bytes differ, as far as they were printed. */
  pairs: FilePair[];
}

/** Prints the differences of two sides. Names are escaped, and bytes printed in hexadecimal. */
export async function sayDifferences(out: Output, a: Side, b: Side, signal: AbortSignal): Promise<Found> {
  const found: Found = { count: { added: 0, removed: 0, changed: 0 }, pairs: [] };
  let shown = 0;
  for await (const difference of diffTrees(a.tree, b.tree, signal)) {
    found.count[difference.change] += 1;
    shown += 1;
    if (!out.json && shown > shownMax) continue;
    const files = filePair(difference);
    const first = files && (await firstDifference(subtree(a, files.a), subtree(b, files.b), signal));
    if (files !== undefined && first !== undefined) found.pairs.push(files);
    out.value({
      event: 'difference',
      ...{ path: difference.path, change: difference.change },
      ...{ a: entryValue(difference.a), b: entryValue(difference.b), first: hexOf(first) },
    });
    out.say(...linesOf(out, difference, first));
  }
  if (shown > shownMax) out.say(`and ${shown - shownMax} more; --json lists all`);
  return found;
}

const subtree = ({ tree }: Side, { cid }: TreeEntry): Side['tree'] => ({ ...tree, root: cid });

function filePair({ a, b }: Difference): FilePair | undefined {
  return a?.kind === 'file' && b?.kind === 'file' ? { a, b } : undefined;
}

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
