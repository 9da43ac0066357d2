import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { makeDebianRoot, readImage } from '../../image/index.ts';
import { makeScratch } from '../../node/scratch.ts';
import { openStore } from '../../store/index.ts';
import { type ImageMetadata, writeImageFile } from './files.ts';
import { checkImageRequirements } from './requirements.ts';

export interface MadeImage extends ImageMetadata {
  file: string;
}

export interface Making {
  dir: string;
  signal: AbortSignal;
}

/** Creates an image of Debian packages. @throws `IMAGE_…`, `STORE_…` */
export function makeDebianImage({
  dir,
  ...root
}: Making & Omit<Parameters<typeof makeDebianRoot>[0], 'scratch'>): Promise<MadeImage> {
  const { suite, include, signal } = root;
  const of = [`Debian ${suite}`, ...include].join(', ').slice(0, 1000);
  return makeImage({ dir, signal }, of, (scratch) => makeDebianRoot({ ...root, scratch }));
}

/** Creates an image from an OCI image layout or the output of `docker save`. @throws `IMAGE_…`, `STORE_…` */
export function importImage({
  dir,
  path,
  ...of
}: Making & { path: string } & Omit<Parameters<typeof readImage>[1], 'scratch'>): Promise<MadeImage> {
  const making = { dir, signal: of.signal };
  return makeImage(making, path.slice(-1000), (scratch) => readImage(path, { ...of, scratch }));
}

/** Makes an image of what `archive` gives, in a folder that is removed afterwards. @throws `IMAGE_…`, `STORE_…` */
export async function makeImage(
  { dir, signal }: Making,
  of: string,
  archive: (scratch: string) => Promise<Readable>,
): Promise<MadeImage> {
  const scratch = await makeScratch('image');
  try {
    const store = await openStore({ dir: join(scratch, 'store') });
    try {
      await mkdir(join(scratch, 'root'));
      const tar = await archive(join(scratch, 'root'));
      const made = await store.importTar(tar, { into: store.public, rules: 'image', signal });
      const { root: image, bytes } = made;
      await checkImageRequirements(store, image);
      const metadata = { image, bytes, files: made.files.length, of, made: new Date().toISOString() };
      return { ...metadata, file: await writeImageFile(store, dir, metadata, signal) };
    } finally {
      await store.close();
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
