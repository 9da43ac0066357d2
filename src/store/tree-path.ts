import { type BlockReader, parseCid } from './nodes.ts';
import { describe, entryOf, readFolder } from './tree-walk.ts';
import type { TreeEntry, TreeRules } from './types.ts';

/** The entry at a path of a tree ("" is the root); undefined when there is none. @throws STORE_BLOCK_MISSING, STORE_TREE_MALFORMED */
export async function resolvePath(
  blocks: BlockReader,
  root: string,
  path: string,
  rules?: TreeRules,
): Promise<TreeEntry | undefined> {
  let cid = parseCid(root);
  let at = await describe(blocks, cid, '');
  for (const name of path.split('/').filter((part) => part !== '')) {
    if (at.kind !== 'dir') return undefined;
    const next = (await readFolder(blocks, cid, at.path, { rules })).get(name);
    if (next === undefined) return undefined;
    cid = next;
    at = await describe(blocks, cid, at.path === '' ? name : `${at.path}/${name}`);
  }
  return entryOf(at);
}

/** The entries of a folder of a tree, by name. @throws as `resolvePath` */
export async function folderEntries(blocks: BlockReader, folder: string): Promise<TreeEntry[]> {
  const found: TreeEntry[] = [];
  for (const [name, cid] of await readFolder(blocks, parseCid(folder), ''))
    found.push(entryOf(await describe(blocks, cid, name)));
  return found;
}
