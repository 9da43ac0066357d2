import { Readable } from 'node:stream';
import { createInflateRaw } from 'node:zlib';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { sizeText } from '../../protocol/base/quantity.ts';
import { comparisonLimits as bounds } from './limits.ts';

/** A file that is compared: it can be read again. */
export interface Content {
  size: number;
  open(): AsyncIterable<Uint8Array>;
}

/** Why the content of an archive is not read as its format says: damage, or something that readers take differently. */
export class Irregular extends Error {}

/** Bytes and members that all archives of one comparison unpack to. */
export class UnpackBudget {
  readonly #signal: AbortSignal;
  #bytes = 0;
  #members = 0;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** @throws {QuorateError} COMPARE_TOO_LARGE, the signal's reason */
  bytes(count: number): void {
    this.#signal.throwIfAborted();
    this.#bytes += count;
    if (this.#bytes > bounds.unpackedBytesMax)
      throw tooLarge(`unpack to more than ${sizeText(bounds.unpackedBytesMax)}`);
  }

  member(): void {
    this.#members += 1;
    if (this.#members > bounds.membersMax) throw tooLarge(`have more than ${bounds.membersMax} members`);
  }
}

const tooLarge = (what: string): QuorateError =>
  new QuorateError('COMPARE_TOO_LARGE', `the archives ${what}`);

export async function* slice(
  source: AsyncIterable<Uint8Array>,
  from: number,
  to: number,
): AsyncGenerator<Uint8Array> {
  let at = 0;
  for await (const chunk of source) {
    yield chunk.subarray(Math.max(0, from - at), to - at);
    at += chunk.length;
    if (at >= to) return;
  }
}

export const firstBytes = ({ open }: Content, size: number): Promise<Buffer> =>
  bytesOf(slice(open(), 0, size));

export async function bytesOf(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}

/** Decompresses `size` bytes of raw deflate (RFC 1951): one stream and nothing else. @throws {Irregular}, COMPARE_TOO_LARGE */
export async function* inflateWhole(
  source: AsyncIterable<Uint8Array>,
  size: number,
  budget: UnpackBudget,
): AsyncGenerator<Uint8Array> {
  const inflate = createInflateRaw();
  const reader = Readable.from(source, { objectMode: false });
  let failure: unknown;
  reader.on('error', (error) => {
    failure = error;
    inflate.destroy();
  });
  reader.pipe(inflate);
  try {
    for await (const chunk of inflate as AsyncIterable<Uint8Array>) {
      budget.bytes(chunk.length);
      yield chunk;
    }
  } catch (error) {
    if (error instanceof QuorateError) throw error;
    throw failure ?? new Irregular(`its compressed data cannot be unpacked: ${messageOf(error)}`);
  } finally {
    reader.destroy();
    inflate.destroy();
  }
  if (inflate.bytesWritten !== size)
    throw new Irregular(`it has ${size - inflate.bytesWritten} bytes behind its compressed data`);
}
