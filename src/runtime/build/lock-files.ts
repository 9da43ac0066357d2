import { filesOfLocks } from '../../core/dependencies/index.ts';
import { dependencyLimits } from '../../core/dependencies/limits.ts';
import type { Area, Store } from '../../store/index.ts';

/**
 * The lock files of a source tree with what is read beside them. Those that are not there are left out. `from`: the sealed area that
 * it is in, where it is in one.
 * @throws `STORE_…`
 */
export async function lockFilesInTree(
  store: Store,
  tree: string,
  locks: readonly string[],
  { from, signal }: { from?: Area | undefined; signal: AbortSignal },
): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const { path } of filesOfLocks(locks)) {
    const entry = await store.resolve(tree, path, { from, signal });
    if (entry?.kind !== 'file') continue;
    // One byte more shows that the file is too large.
    const maxBytes = dependencyLimits.lockBytesMax + 1;
    if (entry.size < maxBytes) files.set(path, await store.readBytes(entry.cid, { maxBytes, from, signal }));
    else files.set(path, new Uint8Array(maxBytes));
  }
  return files;
}
