import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, symlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { CID } from 'multiformats/cid';
import { QuorateError } from '../core/errors.ts';
import type { BlockReader } from './nodes.ts';
import { checkedEntries } from './tar-write.ts';
import { type Found, fileBytes } from './walk.ts';

export interface WriteOptions {
  signal?: AbortSignal | undefined;
  /** Called with the bytes written so far and the bytes in all. */
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Writes a tree to disk beside `dest` and renames it there once whole, links last so that nothing is written through
 * one. @throws STORE_DEST_NOT_EMPTY, STORE_DEST_FAILED and the codes of `checkedEntries`
 */
export async function writeDirectory(
  blocks: BlockReader,
  root: CID,
  dest: string,
  options: WriteOptions = {},
): Promise<void> {
  const target = resolve(dest);
  await refuseUsed(target);
  const entries = await checkedEntries(blocks, root, options.signal);
  const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString('hex')}`);
  try {
    await mkdir(temporary, { recursive: true });
    await writeEntries(blocks, entries, temporary, options);
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    if (error instanceof QuorateError || options.signal?.aborted) throw error;
    const taken = error instanceof Error && 'code' in error && error.code === 'ENOTEMPTY';
    throw new QuorateError(
      taken ? 'STORE_DEST_NOT_EMPTY' : 'STORE_DEST_FAILED',
      `cannot write the tree to ${target}: ${error instanceof Error ? error.message : String(error)}`,
      { hint: 'Choose an empty or new folder on a disk with room.', cause: error },
    );
  }
}

async function refuseUsed(target: string): Promise<void> {
  const names = await readdir(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new QuorateError('STORE_DEST_NOT_EMPTY', `${target} exists and is not a folder`, {
      hint: 'Choose an empty or new folder.',
      cause: error,
    });
  });
  if (names.length === 0) return;
  throw new QuorateError('STORE_DEST_NOT_EMPTY', `${target} exists and is not empty`, {
    hint: 'Choose an empty or new folder.',
  });
}

async function writeEntries(
  blocks: BlockReader,
  entries: Found[],
  base: string,
  { signal, onProgress }: WriteOptions,
): Promise<void> {
  const total = entries.reduce((sum, found) => sum + found.size, 0);
  let done = 0;
  for (const found of entries) {
    signal?.throwIfAborted();
    const path = join(base, found.path);
    if (found.kind === 'dir') await mkdir(path);
    if (found.kind !== 'file') continue;
    const file = await open(path, 'wx', found.executable ? 0o755 : 0o644);
    try {
      for await (const chunk of fileBytes(blocks, found.cid, signal)) {
        await file.writeFile(chunk);
        done += chunk.length;
        onProgress?.(done, total);
      }
    } finally {
      await file.close();
    }
  }
  for (const found of entries) {
    if (found.target !== undefined) await symlink(found.target, join(base, found.path));
  }
}
