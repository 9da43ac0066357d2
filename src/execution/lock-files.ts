import { QuorateError } from '../protocol/base/errors.ts';
import { escapeLine } from '../protocol/base/escape.ts';
import { sizeText } from '../protocol/base/quantity.ts';
import { filesOfLocks } from '../protocol/lock-formats/index.ts';
import { dependencyLimits } from '../protocol/lock-formats/limits.ts';
import type { Area, Store } from '../store/index.ts';
import { lockFileLimits } from './limits.ts';

/**
 * Lock files of a source tree that are there, with what is read beside them. `from`: its sealed area, where it is in one.
 * @throws LOCK_TOO_LARGE of all together, `STORE_…`
 */
export async function lockFilesInTree(
  store: Store,
  tree: string,
  locks: readonly string[],
  { from, signal }: { from?: Area | undefined; signal: AbortSignal },
): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  let bytes = 0;
  for (const { path } of filesOfLocks(locks)) {
    const entry = await store.resolve(tree, path, { from, signal });
    if (entry?.kind !== 'file') continue;
    bytes += entry.size;
    if (bytes > lockFileLimits.bytesMax) throw tooLarge(path);
    // One byte more shows that the file is too large.
    const maxBytes = dependencyLimits.lockBytesMax + 1;
    if (entry.size < maxBytes) files.set(path, await store.readBytes(entry.cid, { maxBytes, from, signal }));
    else files.set(path, new Uint8Array(maxBytes));
  }
  return files;
}

const tooLarge = (path: string): QuorateError =>
  new QuorateError(
    'LOCK_TOO_LARGE',
    `with ${escapeLine(path, 200)} the lock files of the job have more than ${sizeText(lockFileLimits.bytesMax)}`,
    { hint: 'Split the job.' },
  );
