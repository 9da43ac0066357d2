import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Hexadecimal digits of a SHA-256 in a file name: 128 bits, so that names do not collide. */
const NAME_HEX = 32;

/** Suffix of an unfinished file. */
const partPattern = /\.part-[0-9a-f]{12}$/;

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
    for (const other of readdirSync(this.#folder)) {
      if (other.startsWith(`${kind}-`) && other !== name && !partPattern.test(other))
        rmSync(join(this.#folder, other), { force: true });
    }
    return path;
  }

  /** The same for content in memory. */
  bytes(kind: string, key: string, make: () => Uint8Array): Promise<string> {
    return this.file(kind, key, (path) => writeFileSync(path, make(), { mode: 0o644 }));
  }
}
