import { QuorateError } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';
import type { Store } from '../store/index.ts';
import { diffTrees } from '../store/tree-diff.ts';
import { buildLimits } from './limits.ts';

/**
 * Paths of files and links that are on one side of two trees only, or differ: each with its whole path, those of a folder that is
 * on one side only too. @throws STORE_TREE_TOO_LARGE (over 200,000 paths, or 64 Mi characters of them), `STORE_…`
 */
export async function changedPaths(
  store: Store,
  base: string,
  tree: string,
  signal: AbortSignal,
): Promise<string[]> {
  const paths: string[] = [];
  let chars = 0;
  const add = (path: string) => {
    chars += path.length;
    if (paths.length >= limits.treeEntriesMax || chars > buildLimits.changedCharsMax) {
      const message = `over ${paths.length} files differ from the base`;
      throw new QuorateError('STORE_TREE_TOO_LARGE', message, { hint: 'Name a base that is nearer.' });
    }
    paths.push(path);
  };
  for await (const { path, a, b } of diffTrees(store.tree(base), store.tree(tree), signal)) {
    if (a?.kind === 'dir' && b?.kind === 'dir') continue;
    for (const entry of [a, b]) {
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
