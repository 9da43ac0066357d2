import { type BigIntStats, closeSync, constants, fstatSync, lstatSync, openSync, readSync } from 'node:fs';
import { type FileHandle, lstat, open, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Blockstore } from 'interface-blockstore';
import { assert, hasCode, QuorateError } from '../protocol/base/errors.ts';
import { printable } from '../protocol/base/escape.ts';
import { shellWord } from '../protocol/base/shell-word.ts';
import { ByteBudget, chunkBytes, storeChunks, storeFile } from './file-import.ts';
import { LongWork } from './long-work.ts';
import { compareNames, decodeName, splitPath } from './names.ts';
import type { ReadLimits } from './tar-read.ts';
import { TaskPool } from './task-pool.ts';
import { type BuiltTree, type FileSlot, TreeBuilder } from './tree-builder.ts';

/** Files up to this size are read with synchronous calls. */
const smallBytes = 64 * 1024;
assert(smallBytes < chunkBytes, 'a file of several chunks is read in another thread');

interface Bounds extends ReadLimits {
  /** Whether a top-level `.git` is part of the tree. If not it is left out. */
  git?: boolean;
  only?: readonly string[] | undefined;
}

/** The listed paths below a folder. `self` is false for a folder that is not listed itself. */
interface Listed {
  self: boolean;
  children: Map<string, Listed>;
}

interface Walk extends Bounds {
  dir: string;
  tree: TreeBuilder;
  blocks: Blockstore;
  budget: ByteBudget;
  pool: TaskPool;
  slices: LongWork;
}

const refused = (path: string, what: string): QuorateError =>
  new QuorateError('STORE_ENTRY_REFUSED', `${printable(path)} is ${what}`, {
    hint: 'A tree holds plain files, folders and links that stay inside it.',
  });

/**
 * Reads a folder on disk into a tree, following no symbolic link, by default without a top-level `.git`.
 * @throws STORE_FILE_CHANGED when a file changes while it is read, STORE_NOT_A_FOLDER, and the codes of `readTar`
 */
export async function readDirectory(
  dir: string,
  blocks: Blockstore,
  bounds: Bounds,
): Promise<BuiltTree & { bytes: number }> {
  const tree = new TreeBuilder(bounds.maxEntries, bounds.rules, bounds.maxFiles);
  const budget = new ByteBudget(bounds.maxBytes);
  const pool = new TaskPool();
  const top = await lstat(dir).catch(() => undefined);
  if (top === undefined || !top.isDirectory()) {
    throw new QuorateError('STORE_NOT_A_FOLDER', `${printable(dir)} is not a folder`);
  }
  const listed = bounds.only === undefined ? undefined : listedFrom(bounds.only);
  try {
    await walk({ ...bounds, dir, tree, blocks, budget, pool, slices: new LongWork() }, '', listed);
  } catch (error) {
    await pool.drain().catch(() => {});
    throw error;
  }
  await pool.drain();
  return { ...(await tree.build(blocks, bounds.signal)), bytes: budget.used };
}

function listedFrom(paths: readonly string[]): Listed {
  const top: Listed = { self: true, children: new Map() };
  for (const path of paths) {
    let at = top;
    for (const part of splitPath(path)) {
      const next = at.children.get(part) ?? { self: false, children: new Map() };
      at.children.set(part, next);
      at = next;
    }
    at.self = true;
  }
  return top;
}

async function walk(state: Walk, prefix: string, listed?: Listed): Promise<void> {
  const names =
    listed === undefined ? await namesIn(state, prefix) : [...listed.children.keys()].sort(compareNames);
  for (const name of names) {
    state.signal?.throwIfAborted();
    if (state.slices.isOver) await state.slices.next();
    const wanted = listed?.children.get(name);
    if (wanted === undefined) await takeEntry(state, prefix + name);
    else await takeListed(state, prefix + name, wanted);
  }
}

async function namesIn(state: Walk, prefix: string): Promise<string[]> {
  const raw = await readdir(join(state.dir, prefix), { encoding: 'buffer' });
  return raw
    .map((bytes) => decodeName(bytes, prefix === '' ? '.' : prefix))
    .filter((name) => prefix !== '' || name !== '.git' || state.git === true)
    .sort(compareNames);
}

/** Takes a listed path as far as it exists: below a path that is missing or no folder nothing exists. */
async function takeListed(state: Walk, path: string, wanted: Listed): Promise<void> {
  const isFolder = lstatSync(join(state.dir, path), { throwIfNoEntry: false })?.isDirectory();
  if (isFolder === undefined) return;
  if (!isFolder) return wanted.self ? takeEntry(state, path) : undefined;
  if (wanted.self) state.tree.addFolder(path);
  await walk(state, `${path}/`, wanted);
}

async function takeEntry(state: Walk, path: string): Promise<void> {
  const full = join(state.dir, path);
  const seen = lstatSync(full, { bigint: true });
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

async function takeFile(state: Walk, path: string, seen: BigIntStats): Promise<void> {
  if ((seen.mode & 0o6000n) !== 0n) throw refused(path, 'setuid or setgid');
  const slot = state.tree.addFile(path, (seen.mode & 0o111n) !== 0n);
  state.budget.take(Number(seen.size));
  if (seen.size > chunkBytes) await storeLarge(state, path, seen, slot);
  else if (seen.size > smallBytes) await state.pool.run(() => storeLarge(state, path, seen, slot));
  else slot.stored = await storeFile(state.blocks, readSmall(state, path, seen), slot.executable);
}

// Between lstat and open the name may have become a link, which is not followed, or a pipe, which must not block.
const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

function checkSame(path: string, opened: BigIntStats, seen: BigIntStats): void {
  if (opened.ino !== seen.ino || opened.dev !== seen.dev) throw changed(path);
}

/** Synchronous: the thread pool takes five times as long for the four calls of a small file. */
function readSmall(state: Walk, path: string, seen: BigIntStats): Uint8Array {
  let file: number;
  try {
    file = openSync(join(state.dir, path), flags);
  } catch (cause) {
    throw unreadable(path, cause);
  }
  try {
    checkSame(path, fstatSync(file, { bigint: true }), seen);
    const bytes = Buffer.allocUnsafe(Number(seen.size) + 1);
    let filled = 0;
    for (let read = -1; read !== 0; filled += read) {
      read = readSync(file, bytes, filled, bytes.length - filled, filled);
    }
    if (BigInt(filled) !== seen.size) throw changed(path);
    return bytes.subarray(0, filled);
  } finally {
    closeSync(file);
  }
}

async function storeLarge(state: Walk, path: string, seen: BigIntStats, slot: FileSlot): Promise<void> {
  let handle: FileHandle;
  try {
    handle = await open(join(state.dir, path), flags);
  } catch (cause) {
    throw unreadable(path, cause);
  }
  try {
    checkSame(path, await handle.stat({ bigint: true }), seen);
    slot.stored = await storeChunks(state.blocks, chunks(handle, path, Number(seen.size)), slot.executable);
  } finally {
    await handle.close();
  }
}

const unreadable = (path: string, cause: unknown): QuorateError =>
  hasCode(cause, 'EACCES')
    ? new QuorateError('STORE_FILE_UNREADABLE', `${printable(path)} cannot be opened: permission denied`, {
        hint: `Give it read permission: chmod u+r ${shellWord(path)}`,
        cause,
      })
    : new QuorateError('STORE_FILE_UNREADABLE', `${printable(path)} cannot be opened`, {
        hint: 'Check that the file is readable and that no program writes to the folder meanwhile.',
        cause,
      });

const changed = (path: string): QuorateError =>
  new QuorateError('STORE_FILE_CHANGED', `${printable(path)} changed while it was read`, {
    hint: 'Stop the program that writes to the folder while it is stored.',
  });

async function* chunks(handle: FileHandle, path: string, size: number): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (;;) {
    // A file that has grown has a byte more than was left.
    const chunk = new Uint8Array(Math.min(chunkBytes, size - at + 1));
    let filled = 0;
    for (let read = -1; read !== 0; filled += read)
      read = (await handle.read(chunk, filled, chunk.length - filled, at + filled)).bytesRead;
    at += filled;
    // Where a chunk is not full the file has ended: what is written there later is another file.
    if (filled < chunk.length ? at !== size : at > size) throw changed(path);
    if (filled === 0) return;
    yield chunk.subarray(0, filled);
  }
}
