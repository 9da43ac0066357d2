import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { type Extract, extract, type Header, type Pack, pack } from 'tar-stream';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { refuseEmptyHeaders } from '../../protocol/base/tar-headers.ts';
import { layoutLimits } from '../limits.ts';
import type { LaidFile, Layout, LayoutFolder } from './types.ts';

type Content = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
type Entry = Extract extends AsyncIterable<infer T> ? T & AsyncIterable<Uint8Array> : never;

export type OpenBlob = (name: string) => AsyncIterable<Uint8Array>;

/** The files of a layout below one of its folders, as a deterministic tar stream. @throws DEPENDENCIES_ARCHIVE_INVALID, as `open` */
export function layoutTar({ files }: Layout, folder: LayoutFolder, open: OpenBlob): Readable {
  const below = files.filter(({ path }) => path.startsWith(`${folder}/`));
  return Readable.from(packed(below, folder.length + 1, open), { objectMode: false });
}

/** Files as a tar stream, as they are given. Throws what `open` throws, through the stream. */
export const filesTar = (files: readonly LaidFile[], open: OpenBlob): Readable =>
  Readable.from(packed(files, 0, open), { objectMode: false });

async function* packed(files: readonly LaidFile[], from: number, open: OpenBlob): AsyncGenerator<Uint8Array> {
  const packer = pack();
  const filled = fill(packer, files, from, open);
  filled.catch((error: Error) => packer.destroy(error));
  try {
    for await (const chunk of packer as AsyncIterable<Uint8Array>) yield chunk;
    await filled;
  } finally {
    packer.destroy();
  }
}

async function fill(packer: Pack, files: readonly LaidFile[], from: number, open: OpenBlob): Promise<void> {
  for (const file of files) {
    const name = file.path.slice(from);
    if ('text' in file) {
      const bytes = Buffer.from(file.text);
      await put(packer, { name, size: bytes.length }, [bytes]);
    } else if ('blob' in file) {
      await put(packer, { name, size: file.blob.size }, open(file.blob.name));
    } else {
      await unpackCrate(packer, name, open(file.crate.name));
    }
  }
  packer.finalize();
}

/** Appends the files of a crate, each below `folder` instead of below the one folder that a crate has. */
async function unpackCrate(packer: Pack, folder: string, crate: AsyncIterable<Uint8Array>): Promise<void> {
  const what = folder.slice(folder.lastIndexOf('/') + 1);
  const reader = extract();
  refuseEmptyHeaders(reader, () => new Error('it has an empty header'));
  let [bytes, count] = [0, 0];
  const mayBe = () => bytes + count * layoutLimits.entryBytesMax + layoutLimits.aheadBytesMax;
  const pumped = pipeline(
    Readable.from(crate),
    createGunzip(),
    (unpacked) => bounded(unpacked, mayBe),
    reader,
  );
  pumped.catch(() => {});
  try {
    for await (const entry of reader as AsyncIterable<Entry>) {
      const { size = 0, type, mode } = entry.header;
      bytes += size;
      count += 1;
      if (bytes > layoutLimits.crateBytesMax || count > layoutLimits.crateFilesMax)
        throw new Error('it unpacks to more than the limit');
      const name = nameInCrate(entry.header.name, what);
      // The layout has its own.
      if (type === 'directory' || name === '.cargo-checksum.json') entry.resume();
      else if (type !== 'file' || name === '') throw new Error(`it holds a ${type}`);
      else await put(packer, { name: `${folder}/${name}`, size, mode: mode & 0o111 ? 0o755 : 0o644 }, entry);
    }
    await pumped;
  } catch (error) {
    throw new QuorateError('DEPENDENCIES_ARCHIVE_INVALID', `the crate ${what}: ${messageOf(error)}`, {
      hint: 'Depend on another version of it.',
      cause: error,
    });
  } finally {
    reader.destroy();
  }
}

/** Passes on an unpacked crate. `mayBe`: bytes that its files so far may take; the tar parser itself bounds no headers or padding. */
async function* bounded(
  unpacked: AsyncIterable<Uint8Array>,
  mayBe: () => number,
): AsyncGenerator<Uint8Array> {
  let passed = 0;
  for await (const chunk of unpacked) {
    passed += chunk.length;
    if (passed > mayBe()) throw new Error('it unpacks to more than its files');
    yield chunk;
  }
}

/** The name below the crate's folder, empty for that folder. */
function nameInCrate(name: string, folder: string): string {
  if (name.includes('\0')) throw new Error('it holds a name that ends early');
  const [top, ...parts] = name.replace(/\/$/, '').split('/');
  if (top !== folder || parts.some((part) => part === '' || part === '.' || part === '..'))
    throw new Error(`it holds a file outside of ${folder}`);
  return parts.join('/');
}

/** Appends one file, with fixed times and owner. */
async function put(
  packer: Pack,
  header: Partial<Header> & { name: string },
  content: Content,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const sink = packer.entry({ mode: 0o644, ...header, mtime: new Date(0) }, (error) =>
      error ? reject(error) : resolve(),
    );
    sink.on('error', reject);
    pour(sink, content).catch(reject);
  });
}

/** Resolves once it takes more, or nothing any more. */
function drained(sink: ReturnType<Pack['entry']>): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      sink.off('drain', done).off('close', done);
      resolve();
    };
    sink.on('drain', done).on('close', done);
  });
}

async function pour(sink: ReturnType<Pack['entry']>, content: Content): Promise<void> {
  for await (const chunk of content) {
    if (!sink.write(chunk)) await drained(sink);
    if (sink.destroyed) return;
  }
  sink.end(undefined);
}
