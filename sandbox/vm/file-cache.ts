import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

/** How much of a sha256 names a file: enough that no two contents meet. */
const NAME_HEX = 32;

/** Of an unfinished file. */
const partPattern = /\.part-[0-9a-f]{12}$/;

export const sha256Of = (...parts: (Uint8Array | string)[]): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length} `).update(part);
  return hash.digest('hex');
};

/** Files that a tier makes once and keeps in the worker's state folder; what a crash left half made is removed. */
export class FileCache {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** `make` writes a file at the path it gets; the older ones of that kind are removed afterwards. */
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

  bytes(kind: string, key: string, make: () => Uint8Array): Promise<string> {
    return this.file(kind, key, (path) => writeFileSync(path, make(), { mode: 0o644 }));
  }
}
