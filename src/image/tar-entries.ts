import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { extract, type Header } from 'tar-stream';
import { QuorateError } from '../protocol/base/errors.ts';
import { refuseEmptyHeaders } from '../protocol/base/tar-headers.ts';
import { damaged } from './errors.ts';

/** A header with the offset of the entry's content, which the parser sets but its types omit. */
export type TarHeader = Header & { byteOffset: number };

/**
 * Calls `look` with the header of each entry of a tar file.
 * @param asError converts an error of reading or parsing
 * @throws IMAGE_INVALID, what `look` throws, what `asError` returns, and the signal's reason
 */
export async function eachTarEntry(
  file: string,
  {
    signal,
    look,
    asError,
  }: { signal: AbortSignal; look(header: TarHeader): void; asError(cause: unknown): unknown },
): Promise<void> {
  const parser = extract();
  refuseEmptyHeaders(parser, () => damaged('an archive of it has an empty header'));
  const source = createReadStream(file);
  const pumped = pipeline(source, parser, { signal });
  pumped.catch(() => {});
  try {
    for await (const entry of parser) {
      look(entry.header as TarHeader);
      entry.resume();
    }
    await pumped;
  } catch (error) {
    parser.destroy();
    source.destroy();
    signal.throwIfAborted();
    throw error instanceof QuorateError ? error : asError(error);
  }
}
