import type { CID } from 'multiformats/cid';
import type { BlockReader } from './nodes.ts';
import { describe, readFolder } from './tree-walk.ts';

export interface Difference {
  path: string;
  change: 'added' | 'removed' | 'changed';
  /** CID on the left, absent when added. */
  a?: string;
  /** CID on the right, absent when removed. */
  b?: string;
}

/**
 * The differences of two trees, in path order, at most `max`. Opens only folders whose CIDs differ; a folder that is on one
 * side only is one entry.
 */
export async function diffTrees(
  left: BlockReader,
  a: CID,
  right: BlockReader,
  b: CID,
  max: number,
): Promise<Difference[]> {
  const found: Difference[] = [];
  await compare(left, a, right, b, '', found, max);
  return found;
}

async function compare(
  left: BlockReader,
  a: CID,
  right: BlockReader,
  b: CID,
  path: string,
  found: Difference[],
  max: number,
): Promise<void> {
  if (a.equals(b)) return;
  const [before, after] = await Promise.all([readFolder(left, a, path), readFolder(right, b, path)]);
  for (const name of [...new Set([...before.keys(), ...after.keys()])].sort()) {
    if (found.length >= max) return;
    const childPath = path === '' ? name : `${path}/${name}`;
    const from = before.get(name);
    const to = after.get(name);
    if (from === undefined || to === undefined) {
      found.push({
        path: childPath,
        change: from === undefined ? 'added' : 'removed',
        ...(from && { a: from.toString() }),
        ...(to && { b: to.toString() }),
      });
      continue;
    }
    if (from.toString() === to.toString()) continue;
    const [was, is] = await Promise.all([describe(left, from, childPath), describe(right, to, childPath)]);
    if (was.kind === 'dir' && is.kind === 'dir') await compare(left, from, right, to, childPath, found, max);
    else found.push({ path: childPath, change: 'changed', a: from.toString(), b: to.toString() });
  }
}
