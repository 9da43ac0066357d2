import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { extract, type Header } from 'tar-stream';
import { QuorateError } from '../core/errors.ts';
import { damaged } from './errors.ts';

/** The parser also tells where an entry's content begins, which its types leave out. */
export type TarHeader = Header & { byteOffset: number };

/**
 * Looks at the header of every entry of a tar file, in one pass. @param asError says what it means that the file could not be
 * read to its end. @throws IMAGE_DAMAGED, what `look` throws, what `asError` gives, and the signal's reason
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
  const source = createReadStream(file);
  const pumped = pipeline(source, parser, { signal });
  pumped.catch(() => {});
  try {
    for await (const entry of parser) {
      // The parser still waits for the rest of a header without content, and would take this entry's bytes for it.
      if ((parser as unknown as { _longHeader: boolean })._longHeader)
        throw damaged('an archive of it has an empty header');
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
