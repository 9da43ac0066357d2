import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { type Arch, type ImageProgress, makeDebianRoot, readImage } from '../../image/index.ts';
import { makeScratch } from '../../node/scratch.ts';
import { openStore } from '../../store/index.ts';
import { type ImageMetadata, writeImageFile } from './files.ts';
import { checkImageRequirements } from './requirements.ts';

export interface MadeImage extends ImageMetadata {
  /** Path of its file. */
  file: string;
}

export interface Making {
  /** Folder for the image. */
  dir: string;
  signal: AbortSignal;
}

/** Creates an image of Debian packages. @throws `IMAGE_…`, `STORE_…` */
export function makeDebianImage({
  suite,
  include,
  mirrors,
  onLine,
  ...making
}: Making & {
  suite: string;
  include: readonly string[];
  mirrors: readonly string[];
  onLine(line: string): void;
}): Promise<MadeImage> {
  const of = [`Debian ${suite}`, ...include].join(', ').slice(0, 1000);
  return makeImage(making, of, (scratch) =>
    makeDebianRoot({ suite, include, mirrors, scratch, onLine, signal: making.signal }),
  );
}

/** Creates an image from an OCI image layout or the output of `docker save`. @throws `IMAGE_…`, `STORE_…` */
export function importImage({
  path,
  name,
  arch,
  onProgress,
  ...making
}: Making & {
  path: string;
  name: string | undefined;
  arch: Arch;
  onProgress?: ImageProgress;
}): Promise<MadeImage> {
  return makeImage(making, path.slice(-1000), (scratch) =>
    readImage(path, { scratch, name, arch, signal: making.signal, onProgress }),
  );
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
      const {
        root: image,
        bytes,
        files,
      } = await store.importTar(tar, {
        into: store.public,
        rules: 'image',
        signal,
      });
      await checkImageRequirements(store, image);
      const metadata = { image, bytes, files: files.length, of, made: new Date().toISOString() };
      return { ...metadata, file: await writeImageFile(store, dir, metadata, signal) };
    } finally {
      await store.close();
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
