import { createHash } from 'node:crypto';
import { utimesSync } from 'node:fs';
import { mkdir, opendir, readdir, readFile, rename, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BaseBlockstore } from 'blockstore-core';
import type { Pair } from 'interface-blockstore';
import { CID } from 'multiformats/cid';
import { QuorateError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';

/** Not a coded error: Bitswap looks for this name to answer "do not have" instead of dropping the peer's other wants. */
export class BlockNotFound extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'NotFoundError';
  }
}

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;

let temporaryCount = 0;

/**
 * Blocks as files, `<dir>/<last two characters>/<cid>`, written beside and renamed, so that a file under a CID's name is
 * whole unless the disk lost it; every read is hashed again, so a block that the disk did lose is reported, never used.
 *, and a move between two of these is a rename.
 */
export class BlockDir extends BaseBlockstore {
  readonly dir: string;
  readonly #folders = new Set<string>();

  constructor(dir: string) {
    super();
    this.dir = dir;
  }

  /** Makes the folders, and removes what an earlier run left half written. */
  async open(): Promise<void> {
    const temporary = join(this.dir, 'tmp');
    await mkdir(temporary, { recursive: true, mode: 0o700 });
    const before = Date.now() - limits.sweepGraceSeconds * 1000;
    for (const name of await readdir(temporary)) {
      const file = join(temporary, name);
      const found = await stat(file).catch(() => undefined);
      if (found !== undefined && found.mtimeMs < before) await rm(file, { force: true });
    }
  }

  #place(cid: CID): { folder: string; file: string } {
    const name = cid.toV1().toString();
    const folder = join(this.dir, name.slice(-2));
    return { folder, file: join(folder, name) };
  }

  async #makeFolder(folder: string): Promise<void> {
    if (this.#folders.has(folder)) return;
    await mkdir(folder, { recursive: true });
    this.#folders.add(folder);
  }

  /** True when the block is here; marks it as used now, which keeps it from a sweep. Synchronous so as not to race one. */
  touch(cid: CID): boolean {
    const now = Date.now() / 1000;
    try {
      utimesSync(this.#place(cid).file, now, now);
      return true;
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return false;
      throw error;
    }
  }

  override async has(cid: CID): Promise<boolean> {
    return (await this.size(cid)) !== undefined;
  }

  /** Bytes of a block, undefined when it is not here. */
  async size(cid: CID): Promise<number | undefined> {
    try {
      return (await stat(this.#place(cid).file)).size;
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  /** @throws STORE_DISK_FULL */
  override async put(
    cid: CID,
    value: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  ): Promise<CID> {
    if (this.touch(cid)) return cid;
    const bytes = value instanceof Uint8Array ? value : await concat(value);
    const { folder, file } = this.#place(cid);
    temporaryCount += 1;
    const temporary = join(this.dir, 'tmp', `${process.pid}-${temporaryCount}`);
    try {
      await writeFile(temporary, bytes, { flag: 'wx' });
      await this.#makeFolder(folder);
      await rename(temporary, file);
    } catch (error) {
      await rm(temporary, { force: true });
      if (!hasCode(error, 'ENOSPC') && !hasCode(error, 'EDQUOT')) throw error;
      throw new QuorateError('STORE_DISK_FULL', `no room left for a block under ${this.dir}`, {
        hint: 'Free disk space, or unpin and collect old trees.',
        cause: error,
      });
    }
    return cid;
  }

  /** The verified bytes. @throws BlockNotFound also for a block that no longer has its hash, which is removed */
  async read(cid: CID): Promise<Uint8Array> {
    const { file } = this.#place(cid);
    let bytes: Uint8Array;
    try {
      bytes = await readFile(file);
    } catch (cause) {
      if (hasCode(cause, 'ENOENT')) throw new BlockNotFound(`block ${cid} is not here`, { cause });
      throw cause;
    }
    if (!hashMatches(cid, bytes)) {
      await rm(file, { force: true });
      throw new BlockNotFound(`block ${cid} was damaged on disk and is removed`);
    }
    return bytes;
  }

  override async *get(cid: CID): AsyncGenerator<Uint8Array> {
    yield await this.read(cid);
  }

  override async delete(cid: CID): Promise<void> {
    await rm(this.#place(cid).file, { force: true });
  }

  /** CIDs and file names, in no order. */
  async *entries(): AsyncGenerator<{ cid: CID; file: string }> {
    for await (const folder of await opendir(this.dir)) {
      if (!folder.isDirectory() || folder.name === 'tmp') continue;
      for await (const entry of await opendir(join(this.dir, folder.name))) {
        yield { cid: CID.parse(entry.name), file: join(this.dir, folder.name, entry.name) };
      }
    }
  }

  override async *getAll(): AsyncGenerator<Pair> {
    for await (const { cid } of this.entries()) yield { cid, bytes: this.get(cid) };
  }

  /** Renames every block into `to`, then removes this folder. Interrupted at any point, it can be run again. */
  async moveTo(to: BlockDir): Promise<void> {
    for await (const { cid, file } of this.entries()) {
      const { folder, file: target } = to.#place(cid);
      await to.#makeFolder(folder);
      if (to.touch(cid)) await unlink(file);
      else await rename(file, target);
      to.touch(cid);
    }
    await rm(this.dir, { recursive: true, force: true });
    this.#folders.clear();
  }
}

async function concat(chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

/** True when the bytes have the CID's sha2-256. */
export function hashMatches(cid: CID, bytes: Uint8Array): boolean {
  return createHash('sha256').update(bytes).digest().equals(cid.multihash.digest);
}

/** Runs jobs with at most `limits.blockJobsMax` at once; `drain` waits for all and rethrows the first failure. */
export class JobPool {
  readonly #running = new Set<Promise<void>>();
  #failure: { error: unknown } | undefined;

  async run(job: () => Promise<void>): Promise<void> {
    while (this.#running.size >= limits.blockJobsMax) await Promise.race(this.#running);
    if (this.#failure !== undefined) throw this.#failure.error;
    const task = job()
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#running.delete(task));
    this.#running.add(task);
  }

  /** Waits for every job, failed or not. @throws the first failure */
  async drain(): Promise<void> {
    await Promise.all(this.#running);
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
