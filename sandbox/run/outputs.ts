import { type Readable, Transform } from 'node:stream';
import { sizeText } from '../../src/protocol/base/quantity.ts';

/** Checks on the stream of outputs: its size, and that the driver reported it complete. */
export interface OutputBounds {
  readonly bytesMax: number;
  /** Called once when there are more bytes; the stream fails too. */
  readonly exceeded: () => void;
  /** Resolves when the driver has reported that the archive is complete. The stream does not end before. */
  readonly complete: Promise<void>;
}

/** Passes `raw` on within the bounds. Fails when it exceeds them or `complete` rejects. */
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
  // A reader that has stopped must not block tar: the remaining bytes are dropped.
  stream.once('close', () => raw.resume());
  stream.on('error', () => {});
  raw.pipe(stream);
  return stream;
}
