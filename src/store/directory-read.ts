import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Blockstore } from 'interface-blockstore';
import { QuorateError } from '../core/errors.ts';
import { ByteBudget, chunkBytes, storeFile } from './files.ts';
import { JobPool } from './job-pool.ts';
import { compareNames, decodeName, printable } from './names.ts';
import type { ReadLimits } from './tar-read.ts';
import { type BuiltTree, type FileSlot, TreeBuilder } from './tree.ts';

interface Bounds extends ReadLimits {
  /** Whether a `.git` at the top belongs to the tree; else it is left out. */
  git?: boolean;
}

interface Walk extends Bounds {
  dir: string;
  tree: TreeBuilder;
  blocks: Blockstore;
  budget: ByteBudget;
  pool: JobPool;
}

const refused = (path: string, what: string): QuorateError =>
  new QuorateError('STORE_ENTRY_REFUSED', `${printable(path)} is ${what}`, {
    hint: 'A tree holds plain files, folders and links that stay inside it.',
  });

/**
 * Reads a folder on disk into a tree with lstat, following no link, by default without a `.git` at the top.
 * @throws STORE_FILE_CHANGED when a file changes meanwhile, STORE_NOT_A_FOLDER, and the codes of `readTar`
 */
export async function readDirectory(
  dir: string,
  blocks: Blockstore,
  bounds: Bounds,
): Promise<BuiltTree & { bytes: number }> {
  const tree = new TreeBuilder(bounds.maxEntries);
  const budget = new ByteBudget(bounds.maxBytes);
  const pool = new JobPool();
  const top = await lstat(dir).catch(() => undefined);
  if (top === undefined || !top.isDirectory()) {
    throw new QuorateError('STORE_NOT_A_FOLDER', `${printable(dir)} is not a folder`);
  }
  try {
    await walk({ ...bounds, dir, tree, blocks, budget, pool }, '');
  } catch (error) {
    await pool.drain().catch(() => {});
    throw error;
  }
  await pool.drain();
  return { ...(await tree.build(blocks, bounds.signal)), bytes: budget.used };
}

async function walk(state: Walk, prefix: string): Promise<void> {
  const raw = await readdir(join(state.dir, prefix), { encoding: 'buffer' });
  const names = raw.map((bytes) => decodeName(bytes, prefix === '' ? '.' : prefix)).sort(compareNames);
  for (const name of names) {
    if (prefix === '' && name === '.git' && state.git !== true) continue;
    state.signal?.throwIfAborted();
    const path = prefix + name;
    const full = join(state.dir, path);
    const seen = await lstat(full, { bigint: true });
    if (seen.isDirectory()) {
      state.tree.addFolder(path);
      await walk(state, `${path}/`);
    } else if (seen.isSymbolicLink()) {
      state.tree.addLink(path, decodeName(await readlink(full, { encoding: 'buffer' }), path));
    } else if (seen.isFile()) {
      await takeFile(state, path, seen);
    } else {
      throw refused(path, 'a device, a socket or a pipe');
    }
  }
}

async function takeFile(state: Walk, path: string, seen: BigIntStats): Promise<void> {
  if ((seen.mode & 0o6000n) !== 0n) throw refused(path, 'setuid or setgid');
  const slot = state.tree.addFile(path, (seen.mode & 0o111n) !== 0n);
  state.budget.take(Number(seen.size));
  if (seen.size > chunkBytes) {
    await store(state, path, seen, slot);
  } else {
    await state.pool.run(() => store(state, path, seen, slot));
  }
}

async function store(state: Walk, path: string, seen: BigIntStats, slot: FileSlot): Promise<void> {
  // Between lstat and open the name may have become a link or a pipe: neither is followed nor waited for.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  let handle: FileHandle;
  try {
    handle = await open(join(state.dir, path), flags);
  } catch (cause) {
    throw new QuorateError('STORE_FILE_UNREADABLE', `${printable(path)} cannot be opened`, {
      hint: 'Check that the file is readable and that nothing writes to the folder meanwhile.',
      cause,
    });
  }
  try {
    const opened = await handle.stat({ bigint: true });
    if (opened.ino !== seen.ino || opened.dev !== seen.dev) throw changed(path);
    const content =
      seen.size > chunkBytes ? chunks(handle, path, seen.size) : await whole(handle, path, seen.size);
    slot.stored = await storeFile(state.blocks, content, slot.executable);
  } finally {
    await handle.close();
  }
}

const changed = (path: string): QuorateError =>
  new QuorateError('STORE_FILE_CHANGED', `${printable(path)} changed while it was read`, {
    hint: 'Let nothing write to the folder while it is stored.',
  });

async function whole(handle: FileHandle, path: string, size: bigint): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafe(Number(size) + 1);
  let filled = 0;
  while (filled < bytes.length) {
    const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  if (BigInt(filled) !== size) throw changed(path);
  return bytes.subarray(0, filled);
}

async function* chunks(handle: FileHandle, path: string, size: bigint): AsyncGenerator<Uint8Array> {
  let at = 0n;
  for (;;) {
    const { bytesRead, buffer } = await handle.read(
      Buffer.allocUnsafe(chunkBytes),
      0,
      chunkBytes,
      Number(at),
    );
    if (bytesRead === 0) break;
    at += BigInt(bytesRead);
    if (at > size) throw changed(path);
    yield buffer.subarray(0, bytesRead);
  }
  if (at !== size) throw changed(path);
}
