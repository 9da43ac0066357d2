import { constants, createReadStream } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { Readable } from 'node:stream';
import { QuorateError } from '../protocol/base/errors.ts';
import { printable } from '../protocol/base/escape.ts';
import { damaged, notAnImage, tooLarge } from './errors.ts';
import { imageLimits } from './limits.ts';
import { eachTarEntry, splitName, type TarHeader } from './tar-entries.ts';

export interface Blob {
  size: number;
  /** The first 16 bytes, fewer for a smaller file. */
  head(): Promise<Uint8Array>;
  stream(): Readable;
}

/** Enough to detect the format of an archive. */
const headBytes = 16;

export interface Wanted {
  mediaType: string;
  digest: string;
  size: number;
}

export interface Blobs {
  has(name: string): Promise<boolean>;
  /** @param wanted what it is named by, where it is a blob of an OCI layout. @throws IMAGE_INVALID if there is no such file */
  open(name: string, wanted?: Wanted): Promise<Blob>;
  close(): Promise<void>;
}

/** Opens an image in a folder or a tar file. @throws IMAGE_NOT_FOUND, IMAGE_INVALID */
export async function openBlobs(path: string, signal: AbortSignal): Promise<Blobs> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new QuorateError('IMAGE_NOT_FOUND', `there is no image at ${printable(path)}`, {
      hint: 'Give the folder or the tar file of the image.',
      cause,
    });
  });
  if (found.isDirectory()) return new FolderBlobs(path);
  if (!found.isFile()) throw notAnImage(`${printable(path)} is neither a file nor a folder`);
  return TarBlobs.read(path, signal);
}

async function headOf(handle: FileHandle, at: number, size: number): Promise<Uint8Array> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(Math.min(size, headBytes)), 0, undefined, at);
  return buffer.subarray(0, bytesRead);
}

class FolderBlobs implements Blobs {
  readonly #dir: string;
  readonly #opened: FileHandle[] = [];

  constructor(dir: string) {
    this.#dir = dir;
  }

  async has(name: string): Promise<boolean> {
    return (await this.#open(name)) !== undefined;
  }

  async open(name: string): Promise<Blob> {
    const handle = await this.#open(name);
    if (handle === undefined) throw damaged(`it has no file ${printable(name)}`);
    const { size } = await handle.stat();
    return {
      size,
      head: () => headOf(handle, 0, size),
      stream: () => handle.createReadStream({ start: 0, autoClose: false }),
    };
  }

  /** Does not follow links or wait for pipes: the folder is untrusted. */
  async #open(name: string): Promise<FileHandle | undefined> {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const handle = await open(join(this.#dir, ...splitName(name)), flags).catch(() => undefined);
    if (handle === undefined) return undefined;
    this.#opened.push(handle);
    return (await handle.stat()).isFile() ? handle : undefined;
  }

  async close(): Promise<void> {
    for (const handle of this.#opened.splice(0)) await handle.close();
  }
}

type Place = { at: number; size: number } | { alias: string };

class TarBlobs implements Blobs {
  readonly #file: string;
  readonly #places: ReadonlyMap<string, Place>;

  private constructor(file: string, places: ReadonlyMap<string, Place>) {
    this.#file = file;
    this.#places = places;
  }

  static async read(file: string, signal: AbortSignal): Promise<TarBlobs> {
    const places = new Map<string, Place>();
    const look = ({ name, type, size, linkname, byteOffset }: TarHeader): void => {
      const path = splitName(name).join('/');
      if (places.size >= imageLimits.blobsMax)
        throw tooLarge(`the archive has over ${imageLimits.blobsMax} files`);
      if (places.has(path)) throw damaged(`${printable(name)} is in the archive twice`);
      if (type === 'file') places.set(path, { at: byteOffset, size });
      // Older tools write a link for a layer that occurs twice.
      if (type === 'symlink' || type === 'link') {
        const from = type === 'symlink' ? posix.dirname(path) : '';
        places.set(path, { alias: posix.join(from, linkname ?? '') });
      }
    };
    const asError = () => notAnImage(`${printable(file)} is not a tar archive`);
    await eachTarEntry(file, { signal, look, asError });
    return new TarBlobs(file, places);
  }

  #find(name: string): { at: number; size: number } | undefined {
    const found = this.#places.get(splitName(name).join('/'));
    if (found === undefined || !('alias' in found)) return found;
    const real = this.#places.get(found.alias);
    return real === undefined || 'alias' in real ? undefined : real;
  }

  async has(name: string): Promise<boolean> {
    return this.#find(name) !== undefined;
  }

  async open(name: string): Promise<Blob> {
    const found = this.#find(name);
    if (found === undefined) throw damaged(`it has no file ${printable(name)}`);
    const { at, size } = found;
    // createReadStream cannot read an empty range.
    const stream = () =>
      size === 0 ? Readable.from([]) : createReadStream(this.#file, { start: at, end: at + size - 1 });
    const head = async (): Promise<Uint8Array> => {
      const handle = await open(this.#file);
      try {
        return await headOf(handle, at, size);
      } finally {
        await handle.close();
      }
    };
    return { size, head, stream };
  }

  async close(): Promise<void> {}
}
