import { rm } from 'node:fs/promises';
import { makeScratch } from '../../node/scratch.ts';
import { codeOf, messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { type FirstDifference, firstDifference } from '../../store/file-diff.ts';
import { type Difference, diffTrees } from '../../store/tree-diff.ts';
import { entriesIn, entryAt, fileContent } from '../../store/tree-path.ts';
import type { TreeEntry } from '../../store/types.ts';
import { type Content, UnpackBudget } from './archive-content.ts';
import { compareFiles, different, type FileComparison } from './compare-files.ts';
import type { Side } from './sides.ts';

/** One side that is a file or a folder: what a path of an artifact leads to. */
export interface Chosen {
  side: Side;
  entry: TreeEntry;
}

/** A file or folder in which the sides differ. */
export interface Compared extends Difference {
  /** Where the bytes of two files begin to differ. */
  first?: FirstDifference;
  files?: FileComparison;
}

/** A side, the path within it, and the name of its file. */
interface PartAsked {
  side: Side;
  path: string;
  name: string;
}

/**
 * The parts to compare: two files, or two folders. For a folder and a file: the file of that name in the folder, else the only one in it.
 * @throws {QuorateError} COMPARE_KINDS, COMPARE_PATH_UNKNOWN
 */
export async function choose(a: PartAsked, b: PartAsked): Promise<[Chosen, Chosen]> {
  const left = await entryOf(a.side, a.path);
  const right = await entryOf(b.side, b.path);
  if (left.entry.kind === 'dir' && right.entry.kind === 'file') return [await fileIn(left, b.name), right];
  if (left.entry.kind === 'file' && right.entry.kind === 'dir') return [left, await fileIn(right, a.name)];
  if (left.entry.kind !== right.entry.kind || left.entry.kind === 'link') {
    const [one, other] = [left, right].map(({ entry: { kind } }) => (kind === 'dir' ? 'folder' : kind));
    const message = `${named(a.side, a.path)} is a ${one}, and it is compared with a ${other}`;
    throw new QuorateError('COMPARE_KINDS', message, {
      hint: 'Compare a file with a file, or a folder with a folder.',
    });
  }
  return [left, right];
}

const named = ({ cid }: Side, path: string): string => (path === '' ? cid : JSON.stringify(path));

async function entryOf(side: Side, path: string): Promise<Chosen> {
  const entry = await entryAt(side.tree, path);
  if (entry === undefined)
    throw new QuorateError(
      'COMPARE_PATH_UNKNOWN',
      `${side.cid} has no ${JSON.stringify(path.slice(0, 300))}`,
      { hint: 'Give the path of a file of the artifact: <cid>/<path>.' },
    );
  return { side: below(side, entry), entry };
}

async function fileIn({ side, entry }: Chosen, name: string): Promise<Chosen> {
  const entries = await entriesIn(side.tree);
  const found = entries.find((one) => one.path === name) ?? (entries.length === 1 ? entries[0] : undefined);
  if (found?.kind === 'file') return { side: below(side, found), entry: found };
  const message = `${named(side, entry.path)} is a folder without a file ${JSON.stringify(name.slice(0, 300))}`;
  throw new QuorateError('COMPARE_KINDS', message, { hint: 'Name the file to compare with: <cid>/<path>.' });
}

const below = (side: Side, { cid }: TreeEntry): Side => ({ ...side, tree: { ...side.tree, root: cid } });

/** The files and folders in which two sides differ. Bytes of files, and archives, are compared while `isWanted` says so. */
export async function* compareChosen(
  a: Chosen,
  b: Chosen,
  { signal, isWanted }: { signal: AbortSignal; isWanted(): boolean },
): AsyncGenerator<Compared> {
  const scratch = await makeScratch('diff');
  const how = { scratch, budget: new UnpackBudget(signal) };
  try {
    for await (const difference of diffTrees(a.side.tree, b.side.tree, signal)) {
      const [from, to] = [difference.a, difference.b];
      if (from?.kind !== 'file' || to?.kind !== 'file' || !isWanted()) {
        yield difference;
        continue;
      }
      const [left, right] = [below(a.side, from), below(b.side, to)];
      const first = await firstDifference(left.tree, right.tree, signal);
      if (first === undefined) {
        if (a.entry.kind === 'dir') yield difference;
        continue;
      }
      const contents = [contentOf(left, from, signal), contentOf(right, to, signal)] as const;
      yield { ...difference, first, files: await compareFiles(...contents, how).catch(differentIfTooLarge) };
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Archives beyond the bounds are files that differ: whoever packed one hides no other file by it. */
function differentIfTooLarge(error: unknown): FileComparison {
  if (codeOf(error) !== 'COMPARE_TOO_LARGE') throw error;
  return different([`not read whole: ${messageOf(error)}`]);
}

const contentOf = ({ tree }: Side, { size }: TreeEntry, signal: AbortSignal): Content => ({
  size,
  open: () => fileContent(tree, signal),
});
