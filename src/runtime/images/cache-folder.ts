import { mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isInUse, scratchName } from './use-markers.ts';

/** The folder of a home in which images are ready to be built in, by workers and by `try`. */
export const imageCacheFolder = (home: string): string => join(home, 'image-cache');

/** An image as it lies there. */
export interface ReadyImage {
  image: string;
  /** In every form, its blocks included. */
  bytes: number;
  /** When a build used it last, in milliseconds since the epoch. */
  used: number;
}

/** Names beginning like this are on their way out, or a crash left them so. */
export const evictedPrefix = '.gone-';

/** Those in a folder that are ready in some form, the one used longest ago first. */
export async function readyImages(dir: string): Promise<ReadyImage[]> {
  const names = (await listNames(dir)).filter((name) => !name.startsWith('.'));
  const all = await Promise.all(
    names.map(async (image) => {
      const path = join(dir, image);
      // Another process may give it up meanwhile.
      const found = await stat(path).catch(() => undefined);
      return found === undefined ? [] : [{ image, bytes: await bytesIn(path), used: found.mtimeMs }];
    }),
  );
  return all.flat().sort((a, b) => a.used - b.used);
}

/** Removes an image from a folder, unless somebody uses it: then it stays, or is put back, and the answer is false. */
export async function evictImage(dir: string, image: string): Promise<boolean> {
  const path = join(dir, image);
  if (await isInUse(path)) return false;
  const gone = await mkdtemp(join(dir, scratchName(evictedPrefix)));
  try {
    await rename(path, join(gone, image));
    // Somebody may have taken hold of it at the last moment.
    if (!(await isInUse(join(gone, image)))) return true;
    await restoreImage(join(gone, image), path);
    return false;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    // Another process was faster.
    return true;
  } finally {
    await rm(gone, { recursive: true, force: true });
  }
}

/** Where it is being made again already, what is missing there is added. */
export async function restoreImage(from: string, to: string): Promise<void> {
  const unlessThere = (error: NodeJS.ErrnoException): boolean => {
    if (error.code === 'ENOTEMPTY' || error.code === 'EEXIST') return false;
    throw error;
  };
  if (await rename(from, to).then(() => true, unlessThere)) return;
  for (const name of await readdir(from)) await rename(join(from, name), join(to, name)).catch(unlessThere);
}

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
