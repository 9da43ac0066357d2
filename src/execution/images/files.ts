import { createReadStream, existsSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { parseFile, readOptional, writeJson } from '../../node/files.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import { cid as cidSchema } from '../../protocol/documents/base.ts';
import type { Store } from '../../store/index.ts';
import { CarDecoder, encodeCar } from '../../transfer/index.ts';
import { imageCacheLimits } from './limits.ts';

const metadataSchema = z.strictObject({
  image: cidSchema,
  /** Size of all files. */
  bytes: z.int().min(0),
  files: z.int().min(0),
  /** Description of its source, for display. */
  of: z.string().max(1000),
  made: z.string().max(40),
});
/** Metadata of an image, stored beside it as JSON. */
export type ImageMetadata = z.infer<typeof metadataSchema>;

const carFile = (dir: string, image: string): string => join(dir, `${image}.car`);
const metadataFile = (dir: string, image: string): string => join(dir, `${image}.json`);

/** The folder of images of a project (in its `.quorate`) or of a home. */
export const imagesFolder = (dir: string): string => join(dir, 'images');

export const hasImageFile = (dir: string, image: string): boolean => existsSync(carFile(dir, image));

/** Writes an image from a store's public area into a folder as a CAR file, atomically. */
export async function writeImageFile(
  store: Store,
  dir: string,
  metadata: ImageMetadata,
  signal: AbortSignal,
): Promise<string> {
  const file = carFile(dir, metadata.image);
  const beside = `${file}.${process.pid}.new`;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await sweepUnfinished(dir);
  try {
    const handle = await open(beside, 'w', 0o600);
    try {
      for await (const piece of encodeCar(store.blocks, [store.blocks.parse(metadata.image)])) {
        signal.throwIfAborted();
        await handle.appendFile(piece);
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    await writeJson(metadataFile(dir, metadata.image), metadata);
    await rename(beside, file);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
  return file;
}

async function sweepUnfinished(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    if (!/\.car\.\d+\.new$/.test(name)) continue;
    const path = join(dir, name);
    // It may have been finished meanwhile.
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > imageCacheLimits.unfinishedMsMax)
      await rm(path, { force: true });
  }
}

/** Imports an image from its file into a store's public area and verifies each block. @throws HOME_DAMAGED, `STORE_…` */
export async function readImageFile(
  store: { blocks: Pick<Store['blocks'], 'parse' | 'links' | 'put' | 'during'> },
  dir: string,
  image: string,
  { signal, onProgress }: { signal: AbortSignal; onProgress?: (bytes: number, total: number) => void },
): Promise<void> {
  const file = carFile(dir, image);
  const decoder = new CarDecoder([{ cid: store.blocks.parse(image), depth: 0 }], store.blocks.links);
  const take = async (): Promise<void> => {
    for (let block = decoder.next(); block !== undefined; block = decoder.next())
      // The decoder's buffer is shared between blocks; the store needs a copy.
      await store.blocks.put(block.cid, Uint8Array.from(block.bytes));
  };
  try {
    const total = (await stat(file)).size;
    let read = 0;
    await store.blocks.during(async () => {
      for await (const piece of createReadStream(file, { signal, highWaterMark: 1024 * 1024 })) {
        decoder.push(piece as Uint8Array);
        await take();
        read += (piece as Uint8Array).length;
        onProgress?.(read, total);
      }
      decoder.end();
    });
    if (decoder.rest().length > 0) throw new Error('truncated before the last block');
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof QuorateError && cause.code === 'STORE_DISK_FULL') throw cause;
    throw new QuorateError(
      'HOME_DAMAGED',
      `${file} does not hold the image it is named by: ${(cause as Error).message}`,
      { hint: `Remove it (quorate image remove ${image}) and make or import the image again.`, cause },
    );
  }
}

/** Lists the images of a folder, sorted by CID. @throws HOME_DAMAGED */
export async function listImageFiles(dir: string): Promise<ImageMetadata[]> {
  const names = existsSync(dir) ? (await readdir(dir)).filter((name) => name.endsWith('.json')).sort() : [];
  const list: ImageMetadata[] = [];
  for (const name of names) {
    const path = join(dir, name);
    const text = await readOptional(path);
    if (text === undefined || !hasImageFile(dir, name.slice(0, -'.json'.length))) continue;
    list.push(parseFile(path, text, metadataSchema, 'Remove it, and make or import the image again.'));
  }
  return list;
}

/** Removes an image and its metadata. @throws IMAGE_UNKNOWN */
export async function removeImageFile(dir: string, image: string): Promise<void> {
  if (!hasImageFile(dir, image)) {
    throw new QuorateError('IMAGE_UNKNOWN', `there is no image ${image} in ${dir}`, {
      hint: 'quorate image list shows all images.',
    });
  }
  await rm(carFile(dir, image), { force: true });
  await rm(metadataFile(dir, image), { force: true });
}
