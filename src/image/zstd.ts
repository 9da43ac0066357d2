import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createZstdDecompress } from 'node:zlib';
import { ByteQueue } from '../protocol/base/byte-queue.ts';

/** Decompresses Zstandard (RFC 8878) of several frames; Node's decompressor stops after the first. Throws for invalid data. */
export async function* unzstd(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const bytes = new Bytes(source);
  for (let magic = await bytes.take(4, true); magic !== undefined; magic = await bytes.take(4, true)) {
    const kind = magic.readUInt32LE();
    if (kind >>> 4 === 0x184d2a5) {
      await bytes.skip((await bytes.take(4)).readUInt32LE());
      continue;
    }
    if (kind !== 0xfd2fb528) throw new Error('not a Zstandard frame');
    const unpacker = createZstdDecompress();
    const fed = pipeline(Readable.from(frame(bytes, magic), { objectMode: false }), unpacker);
    fed.catch(() => {});
    for await (const chunk of unpacker as AsyncIterable<Uint8Array>) yield chunk;
    await fed;
  }
}

/** Maximum size of a block (RFC 8878, 3.1.1.2.4). */
const blockBytesMax = 128 * 1024;

/** Passes on one frame; parses block headers only, to find its end. */
async function* frame(bytes: Bytes, magic: Buffer): AsyncGenerator<Uint8Array> {
  yield magic;
  const descriptor = await bytes.take(1);
  yield descriptor;
  const flags = descriptor.readUInt8();
  const isSingle = (flags & 0x20) !== 0;
  const dictionary = [0, 1, 2, 4][flags & 3] ?? 0;
  const size = [isSingle ? 1 : 0, 2, 4, 8][flags >> 6] ?? 0;
  yield* bytes.pieces((isSingle ? 0 : 1) + dictionary + size);
  for (let isLast = false; !isLast; ) {
    const head = await bytes.take(3);
    yield head;
    const block = head.readUIntLE(0, 3);
    isLast = (block & 1) === 1;
    const length = block >> 3;
    if (length > blockBytesMax) throw new Error('a Zstandard block is over the largest size');
    // An RLE block contains one byte.
    yield* bytes.pieces(((block >> 1) & 3) === 1 ? 1 : length);
  }
  if ((flags & 4) !== 0) yield* bytes.pieces(4);
}

class Bytes {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #held = new ByteQueue();

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** False at the end of the stream. */
  async #more(): Promise<boolean> {
    const next = await this.#source.next();
    if (next.done !== true) this.#held.push(next.value);
    return next.done !== true;
  }

  /** Undefined at the end of the stream, if `mayEnd`. */
  take(count: number, mayEnd: true): Promise<Buffer | undefined>;
  take(count: number): Promise<Buffer>;
  async take(count: number, mayEnd = false): Promise<Buffer | undefined> {
    while (this.#held.length < count && (await this.#more()));
    if (mayEnd && this.#held.length === 0) return undefined;
    if (this.#held.length < count) throw new Error('truncated');
    const { buffer, byteOffset } = this.#held.take(count);
    return Buffer.from(buffer, byteOffset, count);
  }

  async skip(count: number): Promise<void> {
    let left = count;
    for await (const piece of this.pieces(count)) left -= piece.length;
    if (left !== 0) throw new Error('truncated');
  }

  async *pieces(count: number): AsyncGenerator<Buffer> {
    for (let left = count; left > 0; ) {
      if (this.#held.length === 0) await this.#more();
      const piece = await this.take(Math.min(left, Math.max(1, this.#held.length)));
      left -= piece.length;
      yield piece;
    }
  }
}
