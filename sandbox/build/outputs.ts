import { type Readable, Transform } from 'node:stream';
import { sizeText } from '../../src/core/quantity.ts';

/** What keeps a stream of outputs honest: its size, and the driver's word that it is whole. */
export interface OutputBounds {
  readonly bytesMax: number;
  /** Called once, when more bytes came; the stream fails as well. */
  readonly exceeded: () => void;
  /** Resolves when the driver said that the archive is complete; until then the end is held back. */
  readonly complete: Promise<void>;
}

export function boundedOutputs(raw: Readable, { bytesMax, exceeded, complete }: OutputBounds): Transform {
  let bytes = 0;
  const stream = new Transform({
    transform(chunk: Uint8Array, _encoding, callback) {
      bytes += chunk.byteLength;
      if (bytes <= bytesMax) {
        callback(null, chunk);
        return;
      }
      exceeded();
      callback(new Error(`the outputs exceed ${sizeText(bytesMax)}`));
    },
    flush(callback) {
      complete.then(
        () => callback(),
        (error: Error) => callback(error),
      );
    },
  });
  // A reader that left must not block the archiver; what it did not want is dropped.
  stream.once('close', () => raw.resume());
  stream.on('error', () => {});
  raw.pipe(stream);
  return stream;
}
