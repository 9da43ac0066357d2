import { createHash } from 'node:crypto';
import { constants, existsSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import type { Entry, Integrity } from '../../protocol/lock-formats/index.ts';
import { digestsOf, isArchive } from './digests.ts';
import { fetchLimits } from './limits.ts';
import { isRemadeZip, remakeZip } from './module-zip.ts';

export interface FetchedFile {
  path: string;
  size: number;
  /** In hexadecimal. */
  sha256: string;
}

type Wanted = Pick<Entry, 'integrity' | 'file'>;

export class WrongHash extends Error {}

/** Fetched files by their hash, and parts of unfinished ones. Safe for several processes; a file is hashed again at each use. */
export class DownloadCache {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  #path(algorithm: Integrity['algorithm'], digest: string): string {
    return join(this.#dir, algorithm, digest.slice(0, 2), digest);
  }

  /** The file with one of these hashes; undefined where it is not here, or was damaged (it is removed then). Throws `DEPENDENCIES_CACHE`. */
  async find({ integrity: { algorithm, digests }, file }: Wanted): Promise<FetchedFile | undefined> {
    for (const digest of digests) {
      const path = this.#path(algorithm, digest);
      const found = await digestsOf(path, algorithm, file).catch(absent(path));
      const isWhole = found?.digest === digest && (!isArchive(algorithm, file) || (await isRemadeZip(path)));
      if (found !== undefined && isWhole) {
        // Its time of change says when it was asked for last.
        const now = new Date();
        await utimes(path, now, now).catch(() => {});
        return { path, size: found.size, sha256: found.sha256 };
      }
      if (found !== undefined) await rm(path, { force: true });
    }
    return undefined;
  }

  /** Takes a body that continues after `partial` bytes. @throws WrongHash, DEPENDENCIES_CACHE, what the body throws */
  async take(
    key: string,
    { integrity: { algorithm, digests }, file }: Wanted,
    source: { body: AsyncIterable<Uint8Array>; from: number },
    onBytes: (bytes: number) => void,
  ): Promise<FetchedFile> {
    const partial = this.#partial(key);
    await this.#write(partial, source, onBytes);
    const found = await digestsOf(partial, algorithm, file).catch(cannot(partial));
    if (!digests.includes(found.digest)) {
      await rm(partial, { force: true });
      throw new WrongHash(
        `sends bytes with ${algorithm} ${found.digest}, not ${digests.slice(0, 3).join(' or ')}`,
      );
    }
    const path = this.#path(algorithm, found.digest);
    await mkdir(dirname(path), { recursive: true }).catch(cannot(path));
    if (isArchive(algorithm, file)) return this.#remade(partial, path);
    await rename(partial, path).catch(cannot(path));
    return { path, size: found.size, sha256: found.sha256 };
  }

  /** An archive of a module is kept as its hash determines it, whoever packed it. */
  async #remade(partial: string, path: string): Promise<FetchedFile> {
    const beside = `${path}.${process.pid}`;
    await remakeZip(partial, beside).catch(cannot(beside));
    await rename(beside, path).catch(cannot(path));
    await rm(partial, { force: true });
    const { size, sha256 } = await digestsOf(path, 'sha256', '').catch(cannot(path));
    return { path, size, sha256 };
  }

  /** Keeps a body without an expected hash by its sha256. `digest`: by another algorithm. @throws as `take` */
  async keep(
    key: string,
    source: { body: AsyncIterable<Uint8Array>; from: number },
    onBytes: (bytes: number) => void,
    algorithm: 'sha1' | 'sha256' = 'sha256',
  ): Promise<FetchedFile & { digest: string }> {
    const partial = this.#partial(key);
    await this.#write(partial, source, onBytes);
    const { digest, sha256, size } = await digestsOf(partial, algorithm, '').catch(cannot(partial));
    const path = this.#path('sha256', sha256);
    await mkdir(dirname(path), { recursive: true }).catch(cannot(path));
    await rename(partial, path).catch(cannot(path));
    return { path, size, sha256, digest };
  }

  /** Removes what nobody asked for in `fetchLimits.unusedDaysMax` days. */
  async trim(): Promise<void> {
    const oldest = Date.now() - fetchLimits.unusedDaysMax * 24 * 3600 * 1000;
    for await (const path of filesBelow(this.#dir)) {
      const { mtimeMs } = (await stat(path).catch(absent(path))) ?? {};
      if (mtimeMs !== undefined && mtimeMs < oldest) await rm(path, { force: true });
    }
  }

  /** An unfinished file that nobody writes. */
  #left(key: string): string {
    return join(this.#dir, 'partial', createHash('sha256').update(key).digest('hex'));
  }

  /** The same while this process writes it. */
  #partial(key: string): string {
    return `${this.#left(key)}.${process.pid}`;
  }

  /** Takes over what there is of an unfinished file, from any process that ended: its size. Throws `DEPENDENCIES_CACHE`. */
  async claim(key: string): Promise<number> {
    const own = this.#partial(key);
    const left = this.#left(key);
    const folder = dirname(left);
    const names = (await readdir(folder).catch(absent(folder))) ?? [];
    const ended = names.filter((name) => name.startsWith(`${basename(left)}.`) && !isRunning(name));
    for (const path of [left, ...ended.map((name) => join(folder, name))])
      await rename(path, own).catch(absent(path));
    return (await stat(own).catch(absent(own)))?.size ?? 0;
  }

  /** For the next try, of this process or of another one. */
  async leave(key: string): Promise<void> {
    await rename(this.#partial(key), this.#left(key)).catch(() => {});
  }

  async #write(
    path: string,
    { body, from }: { body: AsyncIterable<Uint8Array>; from: number },
    onBytes: (bytes: number) => void,
  ): Promise<void> {
    await mkdir(dirname(path), { recursive: true }).catch(cannot(path));
    const file = await open(path, from > 0 ? constants.O_WRONLY | constants.O_APPEND : 'w').catch(
      cannot(path),
    );
    try {
      for await (const value of body) {
        onBytes(value.length);
        await file.appendFile(value).catch(cannot(path));
      }
    } finally {
      await file.close();
    }
  }
}

async function* filesBelow(dir: string): AsyncGenerator<string> {
  for (const entry of (await readdir(dir, { withFileTypes: true }).catch(absent(dir))) ?? []) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else yield path;
  }
}

const isRunning = (name: string): boolean => existsSync(`/proc/${name.slice(name.lastIndexOf('.') + 1)}`);

/** Undefined where there is nothing at this path. */
const absent =
  (path: string) =>
  (error: NodeJS.ErrnoException): undefined =>
    error.code === 'ENOENT' ? undefined : cannot(path)(error);

const cannot =
  (path: string) =>
  (cause: unknown): never => {
    throw new QuorateError('DEPENDENCIES_CACHE', `${path}: ${messageOf(cause)}`, { cause });
  };
