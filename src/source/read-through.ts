import type { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { QuorateError } from '../protocol/base/errors.ts';

/**
 * Reads the output of a command through a transform, from the moment it is called: what a process has written is lost where
 * nobody reads it until the process has ended. Returns what the reader returns.
 * @throws what the reader throws; the transform's own error, if it is coded or the reader has not failed
 */
export async function readThrough<T>(
  output: Readable,
  through: Transform,
  read: (tar: Readable) => Promise<T>,
): Promise<T> {
  const reading = read(through);
  const piping = pipeline(output, through);
  // A reader may stop at the end mark of the archive; the padding after it still has to be read.
  reading.then(
    () => through.resume(),
    () => through.destroy(),
  );
  const [taken, piped] = await Promise.allSettled([reading, piping]);
  const isOurs = piped.status === 'rejected' && piped.reason instanceof QuorateError;
  if (piped.status === 'rejected' && (taken.status === 'fulfilled' || isOurs)) throw piped.reason;
  if (taken.status === 'rejected') throw taken.reason;
  return taken.value;
}
