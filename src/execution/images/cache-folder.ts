import { mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isInUse, scratchName } from './use-markers.ts';

/** The folder of a home with images ready for builds of workers and of `quorate try`. */
export const imageCacheFolder = (home: string): string => join(home, 'image-cache');

/** An image in the cache. */
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
