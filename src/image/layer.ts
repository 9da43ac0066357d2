import { createHash, type Hash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { PassThrough, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { QuorateError } from '../protocol/base/errors.ts';
import { printable } from '../protocol/base/escape.ts';
import type { Blob } from './blobs.ts';
import { damaged, tooLarge } from './errors.ts';
import { imageLimits } from './limits.ts';
import type { Root } from './root-tree.ts';
import { checkLink, eachTarEntry, splitName, type TarHeader } from './tar-entries.ts';
import { unzstd } from './zstd.ts';

/** Limits over all layers of one image. @throws IMAGE_TOO_LARGE */
export class Budget {
  #bytes = 0;
  #entries = 0;

  bytes(count: number): void {
    this.#bytes += count;
    if (this.#bytes > imageLimits.layerBytesMax)
      throw tooLarge(`the layers of the image are over ${imageLimits.layerBytesMax} bytes`);
  }

  entry(): void {
    this.#entries += 1;
    if (this.#entries > imageLimits.entriesMax)
      throw tooLarge(`the layers of the image have over ${imageLimits.entriesMax} entries`);
  }
}

/** Claimed properties of a layer: digest and size of the blob, digest of the unpacked archive (`diff`). */
export interface ExpectedLayer {
  digest: string | undefined;
  size: number | undefined;
  diff: string;
}

/** Passes bytes on and hashes them. `check` compares with the expected digest. */
class HashingTransform extends Transform {
  readonly #hash: Hash;
  readonly #digest: string | undefined;
  size = 0;

  constructor(digest: string | undefined, onBytes: (count: number) => void = () => {}) {
    super({
      transform: (chunk: Uint8Array, _, done) => {
        this.size += chunk.length;
        this.#hash.update(chunk);
        try {
          onBytes(chunk.length);
          done(null, chunk);
        } catch (error) {
          done(error as Error);
        }
      },
    });
    this.#digest = digest;
    this.#hash = createHash(digest?.startsWith('sha512:') ? 'sha512' : 'sha256');
  }

  /** @throws IMAGE_INVALID */
  check(what: string): void {
    const found = this.#hash.digest('hex');
    if (this.#digest !== undefined && !this.#digest.endsWith(`:${found}`))
      throw damaged(`${what} does not have the digest it is named by, ${this.#digest.slice(0, 23)}…`);
  }
}

/** Decompresses one layer into a file and verifies its digests. @throws IMAGE_INVALID, IMAGE_TOO_LARGE */
export async function unpackLayer(
  blob: Blob,
  expected: ExpectedLayer,
  file: string,
  { budget, signal, onRead }: { budget: Budget; signal: AbortSignal; onRead?: (count: number) => void },
): Promise<void> {
  const packed = new HashingTransform(expected.digest, onRead);
  const unpacked = new HashingTransform(expected.diff, (count) => budget.bytes(count));
  const unpacker = unpackerFor(await blob.head());
  try {
    const output = createWriteStream(file, { flags: 'wx', mode: 0o600 });
    await pipeline(blob.stream(), packed, unpacker, unpacked, output, { signal });
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof QuorateError || isSystem(error)) throw error;
    throw damaged('a layer cannot be unpacked', error);
  }
  packed.check('a layer');
  if (expected.size !== undefined && packed.size !== expected.size)
    throw damaged(`a layer has ${packed.size} bytes, not ${expected.size}`);
  unpacked.check('an unpacked layer');
}

const isSystem = (error: unknown): boolean => error instanceof Error && 'syscall' in error;

/** Chooses the decompressor by magic number, not by media type. */
function unpackerFor(head: Uint8Array): Transform | typeof unzstd {
  const begins = (...bytes: number[]): boolean => bytes.every((byte, index) => head[index] === byte);
  if (begins(0x1f, 0x8b)) return createGunzip();
  const isSkipped = (head[0] ?? 0) >> 4 === 5 && head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18;
  return isSkipped || begins(0x28, 0xb5, 0x2f, 0xfd) ? unzstd : new PassThrough();
}

/** Applies an unpacked layer to the tree of the layers below. @throws IMAGE_INVALID, IMAGE_TOO_LARGE */
export async function applyLayer(
  root: Root,
  file: string,
  layer: number,
  budget: Budget,
  signal: AbortSignal,
): Promise<void> {
  const look = (header: TarHeader): void => {
    budget.entry();
    apply(root, header, layer);
  };
  const asError = (cause: unknown) =>
    isSystem(cause) ? cause : damaged('a layer is not a tar archive', cause);
  await eachTarEntry(file, { signal, look, asError });
}

const whiteout = '.wh.';

function apply(root: Root, header: TarHeader, layer: number): void {
  const parts = splitName(header.name);
  const name = parts.at(-1) ?? '';
  if (name.startsWith(whiteout)) return applyWhiteout(root, parts, layer);
  switch (header.type) {
    case 'file':
    case 'contiguous-file': {
      const keys = Object.keys(header.pax ?? {});
      if (keys.some((key) => key.startsWith('GNU.sparse') || key === 'SCHILY.realsize'))
        throw damaged(`${printable(header.name)} is a sparse file, which layers do not have`);
      const content = { layer, at: header.byteOffset, size: header.size };
      return root.addFile(parts, content, (header.mode & 0o111) !== 0);
    }
    case 'directory':
      return root.addFolder(parts, layer);
    case 'symlink':
      return root.addLink(parts, checkLink(header.name, header.linkname ?? ''), layer);
    case 'link':
      return root.addHardLink(parts, splitName(header.linkname ?? ''), layer);
    default:
      // Devices and pipes are not part of trees; the sandbox provides the devices of a build.
      return root.remove(parts, layer);
  }
}

/** Applies a whiteout (opencontainers/image-spec, layer.md): removes entries of the layers below. */
function applyWhiteout(root: Root, parts: readonly string[], layer: number): void {
  const name = (parts.at(-1) ?? '').slice(whiteout.length);
  const folder = parts.slice(0, -1);
  if (name === '.wh..opq') return root.clear(folder, layer);
  // Internal files of AUFS.
  if (name.startsWith(whiteout)) return;
  splitName(name);
  if (name === '' || name === '.')
    throw damaged(`${printable(parts.join('/'))} is a whiteout without a name`);
  root.remove([...folder, name], layer);
}

/** Reads a part of a layer's file. @throws IMAGE_INVALID */
export async function readContent(
  handle: FileHandle,
  { at, size }: { at: number; size: number },
): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafe(size);
  let filled = 0;
  while (filled < size) {
    const { bytesRead } = await handle.read(bytes, filled, size - filled, at + filled);
    if (bytesRead === 0) throw damaged('a layer ends within a file');
    filled += bytesRead;
  }
  return bytes;
}
