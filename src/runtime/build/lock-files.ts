import { filesOfLocks } from '../../core/dependencies/index.ts';
import { dependencyLimits } from '../../core/dependencies/limits.ts';
import type { Store } from '../../store/index.ts';

/**
 * The lock files of a source tree in the public area, with what is read beside them. Those that are not there are left out.
 * @throws `STORE_…`
 */
export async function lockFilesInTree(
  store: Store,
  tree: string,
  locks: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const { path } of filesOfLocks(locks)) {
    const entry = await store.resolve(tree, path, { signal });
    if (entry?.kind !== 'file') continue;
    // One byte more shows that the file is too large.
    const maxBytes = dependencyLimits.lockBytesMax + 1;
    if (entry.size < maxBytes) files.set(path, await store.readBytes(entry.cid, { maxBytes, signal }));
    else files.set(path, new Uint8Array(maxBytes));
  }
  return files;
}
