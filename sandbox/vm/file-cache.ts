import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { listOptional } from '../files.ts';

/** Hexadecimal digits of a SHA-256 in a file name: 128 bits, so that names do not collide. */
const NAME_HEX = 32;

/** Suffix of an unfinished file, and of what its maker has beside it. */
const partPattern = /\.part-[0-9a-f]{12}(?:\.\w+)?$/;

/** One that nobody has written to for so long, in ms, is of a process that was killed: a kernel is written within seconds. */
const partMsMax = 10 * 60_000;

/** SHA-256 of length-prefixed parts, in hexadecimal. */
export const sha256Of = (...parts: (Uint8Array | string)[]): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length} `).update(part);
  return hash.digest('hex');
};

/** Files derived once and cached in the worker's state folder, named by the hash of their input. */
export class FileCache {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The cached file of `key`. If it is missing, `make` writes it, and older files of that kind are removed. */
  async file(kind: string, key: string, make: (path: string) => Promise<void> | void): Promise<string> {
    const name = `${kind}-${key.slice(0, NAME_HEX)}`;
    const path = join(this.#folder, name);
    this.#remove((other) => partPattern.test(other) && this.#isLeft(other));
    if (existsSync(path)) return path;
    mkdirSync(this.#folder, { recursive: true, mode: 0o755 });
    const part = `${path}.part-${randomBytes(6).toString('hex')}`;
    try {
      await make(part);
      renameSync(part, path);
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
    this.#remove((other) => other.startsWith(`${kind}-`) && other !== name && !partPattern.test(other));
    return path;
  }

  #remove(which: (name: string) => boolean): void {
    for (const name of listOptional(this.#folder).filter(which))
      rmSync(join(this.#folder, name), { recursive: true, force: true });
  }

  #isLeft(name: string): boolean {
    const found = statSync(join(this.#folder, name), { throwIfNoEntry: false });
    return found !== undefined && found.mtimeMs < Date.now() - partMsMax;
  }

  /** The same for content in memory. */
  bytes(kind: string, key: string, make: () => Uint8Array): Promise<string> {
    return this.file(kind, key, (path) => writeFileSync(path, make(), { mode: 0o644 }));
  }
}
