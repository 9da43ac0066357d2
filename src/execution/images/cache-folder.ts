import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive } from '../../node/alive.ts';

/** Name of a marker file in an image's folder: `using-<pid>-<unique>`, one per use. */
const pattern = /^using-(\d{1,10})-/;

/** Marks an image's folder as in use by this process. */
export class UseMarker {
  readonly #dir: string;
  readonly #name = `using-${process.pid}-${randomUUID()}`;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Writes the marker; may be repeated. Returns false if the folder does not exist. */
  async hold(): Promise<boolean> {
    try {
      await writeFile(join(this.#dir, this.#name), '');
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw error;
    }
  }

  release(): Promise<void> {
    return rm(join(this.#dir, this.#name), { force: true });
  }
}

/** Whether a living process uses the folder. Removes markers of dead processes. */
export async function isInUse(dir: string): Promise<boolean> {
  let held = false;
  for (const name of await listNames(dir)) {
    const pid = Number(pattern.exec(name)?.[1] ?? 0);
    if (pid === 0) continue;
    if (isAlive(pid)) held = true;
    else await rm(join(dir, name), { force: true });
  }
  return held;
}

/** Prefix of the name of a temporary folder of this process, which other processes do not remove. */
export const scratchName = (prefix: string): string => `${prefix}${process.pid}-`;

/** Whether a name is that of a temporary folder whose process has ended. */
export function isAbandoned(name: string, prefix: string): boolean {
  if (!name.startsWith(prefix)) return false;
  const [, pid] = /^(\d{1,10})-/.exec(name.slice(prefix.length)) ?? [];
  return pid === undefined || !isAlive(Number(pid));
}

/** The folder of a home with images ready for builds of workers and of `quorate try`. */
export const imageCacheFolder = (home: string): string => join(home, 'image-cache');

export interface ReadyImage {
  image: string;
  /** Size of all its forms, blocks included. */
  bytes: number;
  /** Time of last use, in milliseconds since the epoch. */
  used: number;
}

/** Prefix of images being evicted, or left by a crash. */
export const evictedPrefix = '.gone-';

/** The images that are ready in at least one form, least recently used first. */
export async function readyImages(dir: string): Promise<ReadyImage[]> {
  const names = (await listNames(dir)).filter((name) => !name.startsWith('.'));
  const all = await Promise.all(
    names.map(async (image) => {
      const path = join(dir, image);
      // Another process may evict it meanwhile.
      const found = await stat(path).catch(() => undefined);
      return found === undefined ? [] : [{ image, bytes: await bytesIn(path), used: found.mtimeMs }];
    }),
  );
  return all.flat().sort((a, b) => a.used - b.used);
}

/** Removes an image from the cache. Returns false if it is in use; then it stays or is restored. */
export async function evictImage(dir: string, image: string): Promise<boolean> {
  const path = join(dir, image);
  if (await isInUse(path)) return false;
  const gone = await mkdtemp(join(dir, scratchName(evictedPrefix)));
  try {
    await rename(path, join(gone, image));
    // A build may have marked it as used in between.
    if (!(await isInUse(join(gone, image)))) return true;
    await restoreImage(join(gone, image), path);
    return false;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    // Another process has evicted it.
    return true;
  } finally {
    await rm(gone, { recursive: true, force: true });
  }
}

/** Moves an image back. If it is being prepared again already, only missing files are moved. */
export async function restoreImage(from: string, to: string): Promise<void> {
  const unlessThere = (error: NodeJS.ErrnoException): boolean => {
    if (error.code === 'ENOTEMPTY' || error.code === 'EEXIST') return false;
    throw error;
  };
  if (await rename(from, to).then(() => true, unlessThere)) return;
  for (const name of await readdir(from)) await rename(join(from, name), join(to, name)).catch(unlessThere);
}

/** Names in a folder; empty if it does not exist. */
export const listNames = (dir: string): Promise<string[]> =>
  readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });

async function bytesIn(path: string): Promise<number> {
  const notes = (await listNames(path)).filter((name) => name.endsWith('.bytes'));
  const sizes = await Promise.all(notes.map((name) => readFile(join(path, name), 'utf8').catch(() => '0')));
  return sizes.reduce((sum, text) => sum + (Number(text) || 0), 0);
}
