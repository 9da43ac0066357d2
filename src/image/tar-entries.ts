import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { extract, type Header } from 'tar-stream';
import { QuorateError } from '../protocol/base/errors.ts';
import { printable } from '../protocol/base/escape.ts';
import { limits } from '../protocol/base/limits.ts';
import { refuseEmptyHeaders } from '../protocol/base/tar-headers.ts';
import { damaged } from './errors.ts';

const refused = (name: string, why: string): QuorateError =>
  new QuorateError('IMAGE_INVALID', `the entry ${printable(name)} of the image ${why}`, {
    hint: 'No image tool writes such an entry; do not use this image.',
  });

/** Splits an entry's name into its parts; empty for the root. @throws IMAGE_INVALID */
export function splitName(name: string): string[] {
  if (name.startsWith('/')) throw refused(name, 'has an absolute path');
  if (name.includes('\ufffd') || !name.isWellFormed()) throw refused(name, 'is not UTF-8');
  if (name.includes('\0') || Buffer.byteLength(name) > limits.pathBytesMax)
    throw refused(name, 'has a path that is too long or contains NUL');
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw refused(name, 'has ".." in its path');
  if (parts.length > limits.pathDepthMax) throw refused(name, `is over ${limits.pathDepthMax} folders deep`);
  if (parts.some((part) => Buffer.byteLength(part) > limits.nameBytesMax))
    throw refused(name, `has a name of over ${limits.nameBytesMax} bytes`);
  return parts;
}

/** Refuses a target that is empty, longer than `limits.pathBytesMax`, or not UTF-8 without NUL; it may lead anywhere. @throws IMAGE_INVALID */
export function checkLink(name: string, target: string): string {
  const odd = target === '' || target.includes('\0') || target.includes('\ufffd') || !target.isWellFormed();
  if (odd || Buffer.byteLength(target) > limits.pathBytesMax)
    throw refused(name, 'is a link with an empty, too long or invalid target');
  return target;
}

/** A header with the offset of the entry's content, which the parser sets but its types omit. */
export type TarHeader = Header & { byteOffset: number };

/** Calls `look` with each header of a tar file. @throws IMAGE_INVALID, as `look`, what `asError` makes of others, the signal's reason */
export async function eachTarEntry(
  file: string,
  options: { signal: AbortSignal; look(header: TarHeader): void; asError(cause: unknown): unknown },
): Promise<void> {
  const { signal, look, asError } = options;
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
