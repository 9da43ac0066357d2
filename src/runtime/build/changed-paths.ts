import { QuorateError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Store } from '../../store/index.ts';

/**
 * Paths of files and links that are on one side of two trees only, or differ: each with its whole path, those of a folder that is
 * on one side only too. @throws STORE_TREE_TOO_LARGE (over 200,000 paths), `STORE_…`
 */
export async function changedPaths(
  store: Store,
  base: string,
  tree: string,
  signal: AbortSignal,
): Promise<string[]> {
  const paths: string[] = [];
  const add = (path: string) => {
    if (paths.length >= limits.treeEntriesMax) {
      const message = `over ${limits.treeEntriesMax} files differ from the base`;
      throw new QuorateError('STORE_TREE_TOO_LARGE', message, { hint: 'Name a base that is nearer.' });
    }
    paths.push(path);
  };
  // A folder has an entry of its own in a difference, and no more entries than a tree.
  for (const { path } of await store.diff(base, tree, { max: 2 * limits.treeEntriesMax })) {
    signal.throwIfAborted();
    for (const root of [base, tree]) {
      const entry = await store.resolve(root, path, { signal });
      if (entry === undefined) continue;
      if (entry.kind !== 'dir') {
        if (paths.at(-1) !== path) add(path);
        continue;
      }
      for await (const below of store.list(entry.cid, { signal }))
        if (below.kind !== 'dir') add(`${path}/${below.path}`);
    }
  }
  return paths;
}
