import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { type Extract, extract, type Header, pack } from 'tar-stream';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { refuseEmptyHeaders } from '../../protocol/base/tar-headers.ts';
import { type Put, tarOf } from '../../protocol/base/tar-pack.ts';
import { layoutLimits } from '../limits.ts';
import type { LaidFile, Layout, LayoutFolder } from './types.ts';

type TarHeader = Partial<Header> & { name: string };
type Entry = Extract extends AsyncIterable<infer T> ? T & AsyncIterable<Uint8Array> : never;

/** Times and owner are the same in each archive. */
const fixed = { mode: 0o644, mtime: new Date(0) };

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
  yield* tarOf<TarHeader>(pack(), async (put) => {
    for (const file of files) {
      const name = file.path.slice(from);
      if ('text' in file) {
        const bytes = Buffer.from(file.text);
        await put({ ...fixed, name, size: bytes.length }, [bytes]);
      } else if ('blob' in file) {
        await put({ ...fixed, name, size: file.blob.size }, open(file.blob.name));
      } else {
        await unpackCrate(put, name, open(file.crate.name));
      }
    }
  });
}

/** Appends the files of a crate, each below `folder` instead of below the one folder that a crate has. */
async function unpackCrate(
  put: Put<TarHeader>,
  folder: string,
  crate: AsyncIterable<Uint8Array>,
): Promise<void> {
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
      else {
        const header = { ...fixed, name: `${folder}/${name}`, size, mode: mode & 0o111 ? 0o755 : 0o644 };
        await put(header, entry);
      }
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
