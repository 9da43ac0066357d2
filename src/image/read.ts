import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { writeArchive } from './archive.ts';
import { type Blobs, openBlobs } from './blobs.ts';
import { applyLayer, Budget, unpackLayer } from './layer.ts';
import { type ImageSelection, layersOf } from './layout.ts';
import { normaliseRoot } from './normalise.ts';
import { Root } from './root-tree.ts';

export interface ReadOptions {
  /** An existing, empty folder with space for all layers. The caller removes it when the archive has been read. */
  scratch: string;
  signal: AbortSignal;
  onProgress?: ImageProgress | undefined;
}

/** How far the reading of an image is: first its layers, as they are stored, then the files of its root. */
export type ImageProgress = (step: 'layers' | 'files', bytes: number, total: number | undefined) => void;

/**
 * Reads an OCI image layout (a folder, or a tar of one) or the output of `docker save`. Returns its root file system in normal
 * form, as a tar archive. All digests have been verified when it returns.
 * @throws IMAGE_NOT_FOUND, IMAGE_INVALID, IMAGE_TOO_LARGE, IMAGE_ARCH_MISMATCH, IMAGE_AMBIGUOUS, IMAGE_UNFIT
 */
export async function readImage(path: string, options: ReadOptions & ImageSelection): Promise<Readable> {
  return readImageFrom(await openBlobs(path, options.signal), options);
}

/** The same of files that are opened already; closes them. @throws as `readImage` */
export async function readImageFrom(
  blobs: Blobs,
  { scratch, signal, onProgress, ...choice }: ReadOptions & ImageSelection,
): Promise<Readable> {
  try {
    const files: string[] = [];
    const root = new Root();
    const budget = new Budget();
    await mkdir(join(scratch, 'layers'));
    const layers = await layersOf(blobs, choice);
    const total = layers.reduce<number | undefined>(
      (sum, { size }) => (sum === undefined || size === undefined ? undefined : sum + size),
      0,
    );
    let read = 0;
    const onRead = (count: number): void => {
      read += count;
      onProgress?.('layers', read, total);
    };
    for (const [index, { digest, size, diff, open }] of layers.entries()) {
      const file = join(scratch, 'layers', String(index));
      files.push(file);
      await unpackLayer(await open(), { digest, size, diff }, file, { budget, signal, onRead });
      await applyLayer(root, file, index, budget, signal);
    }
    return writeArchive(normaliseRoot(root), files, (bytes, all) => onProgress?.('files', bytes, all));
  } finally {
    await blobs.close();
  }
}

/** Brings a root file system in a tar archive into normal form. @throws as `readImage` */
export async function readRootArchive(
  file: string,
  { signal, cleared }: { signal: AbortSignal; cleared: readonly string[] },
): Promise<Readable> {
  const root = new Root();
  await applyLayer(root, file, 0, new Budget(), signal);
  return writeArchive(normaliseRoot(root, cleared), [file]);
}
