import { randomBytes } from 'node:crypto';
import { chmodSync, closeSync, mkdirSync, open, openSync } from 'node:fs';
import { mkdir, readdir, rename, rm, symlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { CID } from 'multiformats/cid';
import { rawCode } from '../protocol/base/car.ts';
import { hasCode, messageOf, QuorateError } from '../protocol/base/errors.ts';
import { writeAll } from './disk.ts';
import { storeLimits } from './limits.ts';
import { LongWork } from './long-work.ts';
import { type BlockReader, readBlock } from './nodes.ts';
import { checkedEntries } from './tar-write.ts';
import { fileBytes, type WalkedEntry } from './tree-walk.ts';
import type { TreeRules } from './types.ts';

export interface WriteOptions {
  signal?: AbortSignal | undefined;
  /** Called with the bytes written so far and the total. */
  onProgress?: ((done: number, total: number) => void) | undefined;
  rules?: TreeRules | undefined;
  /** Makes files and folders readable for all users, regardless of the umask. */
  readable?: boolean | undefined;
}

/**
 * Writes a tree to a temporary folder beside `dest` and renames it once it is complete. Links are written last, so that no
 * file is written through one. @throws STORE_DEST_NOT_EMPTY, STORE_DEST_FAILED and the codes of `checkedEntries`
 */
export async function writeDirectory(
  blocks: BlockReader,
  root: CID,
  dest: string,
  options: WriteOptions = {},
): Promise<void> {
  const target = resolve(dest);
  await refuseUsed(target);
  const entries = await checkedEntries(blocks, root, options);
  const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString('hex')}`);
  try {
    await makeFolder(temporary);
    await writeEntries(blocks, entries, temporary, options);
    if (options.readable === true && (process.umask() & 0o055) !== 0) makeReadable(entries, temporary);
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    if (error instanceof QuorateError || options.signal?.aborted) throw error;
    const code = hasCode(error, 'ENOTEMPTY') ? 'STORE_DEST_NOT_EMPTY' : 'STORE_DEST_FAILED';
    throw new QuorateError(code, `cannot write the tree to ${target}: ${messageOf(error)}`, {
      hint: 'Choose an empty or new folder on a disk with room.',
      cause: error,
    });
  }
}

/** As `mkdir -p`. Node reports a missing folder where the system says that the disk is read-only or that it may not. */
async function makeFolder(dir: string): Promise<void> {
  await mkdir(dirname(dir), { recursive: true }).catch(async () => mkdir(dirname(dir)));
  await mkdir(dir);
}

async function refuseUsed(target: string): Promise<void> {
  const taken = (is: string, cause?: unknown) =>
    new QuorateError('STORE_DEST_NOT_EMPTY', `${target} exists and is not ${is}`, {
      hint: 'Choose an empty or new folder.',
      cause,
    });
  const names = await readdir(target).catch((error: unknown) => {
    if (!hasCode(error, 'ENOENT')) throw taken('a folder', error);
    return [];
  });
  if (names.length > 0) throw taken('empty');
}

function makeReadable(entries: readonly WalkedEntry[], base: string): void {
  chmodSync(base, 0o755);
  for (const { kind, executable, path } of entries)
    if (kind !== 'link') chmodSync(join(base, path), kind === 'dir' || executable ? 0o755 : 0o644);
}

async function writeEntries(
  blocks: BlockReader,
  entries: WalkedEntry[],
  base: string,
  { signal, onProgress }: WriteOptions,
): Promise<void> {
  const total = entries.reduce((sum, found) => sum + found.size, 0);
  let done = 0;
  const onWritten = (bytes: number): void => {
    done += bytes;
    onProgress?.(done, total);
  };
  // Synchronous: file systems serialize these calls. A folder comes before its entries.
  for (const { kind, path } of entries) if (kind === 'dir') mkdirSync(join(base, path));
  const files = entries.filter(({ kind }) => kind === 'file');
  const folders = Map.groupBy(files, ({ path }) => dirname(path));
  const queues = [...folders.values()].map((of) => of.reverse());
  const pace = new Pace();
  const failed = new AbortController();
  const either = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  const writers = Array.from({ length: storeLimits.blockTasksMax }, async (_, writer) => {
    try {
      for (let found = take(queues, writer); found !== undefined; found = take(queues, writer)) {
        either.throwIfAborted();
        await writeFound(blocks, found, join(base, found.path), pace, either, onWritten);
      }
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  });
  const results = await Promise.allSettled(writers);
  if (results.some(({ status }) => status === 'rejected')) throw either.reason;
  for (const found of entries) {
    if (found.target !== undefined) await symlink(found.target, join(base, found.path));
  }
}

/** The next file for one writer: from a folder of its own where possible, since creating files locks their folder. */
function take(queues: WalkedEntry[][], writer: number): WalkedEntry | undefined {
  const index = queues.length === 0 ? 0 : writer % queues.length;
  const found = queues[index]?.pop();
  if (queues[index]?.length === 0) queues.splice(index, 1);
  return found;
}

async function writeFound(
  blocks: BlockReader,
  found: WalkedEntry,
  path: string,
  pace: Pace,
  signal: AbortSignal,
  onWritten: (bytes: number) => void,
): Promise<void> {
  const mode = found.executable ? 0o755 : 0o644;
  const isRaw = found.cid.code === rawCode;
  const chunks = isRaw ? [await readBlock(blocks, found.cid)] : fileBytes(blocks, found.cid, signal);
  const file = await (isRaw ? pace.create(path, mode) : openNew(path, 'wx', mode));
  let at = 0;
  try {
    for await (const chunk of chunks) {
      at += await writeAll(file, [chunk], at);
      onWritten(chunk.length);
    }
  } finally {
    closeSync(file);
  }
}

const openNew = promisify(open);
/** A file system is slow when it takes longer than this to create a file. */
const slowMs = 1;
/** Files that are created in other threads after a slow one, several at once. */
const slowFiles = 64;

/** Creates files: one after the other here, which costs half of what other threads do, unless the file system is slow. */
class Pace {
  readonly #slices = new LongWork();
  #slowLeft = 0;

  /** Returns a file descriptor. @throws the error of the system */
  async create(path: string, mode: number): Promise<number> {
    if (this.#slowLeft > 0) {
      this.#slowLeft -= 1;
      return openNew(path, 'wx', mode);
    }
    if (this.#slices.isOver) await this.#slices.next();
    const begun = performance.now();
    const file = openSync(path, 'wx', mode);
    if (performance.now() - begun > slowMs) this.#slowLeft = slowFiles;
    return file;
  }
}
