import { Transform } from 'node:stream';

/**
 * Passes bytes up to an end marker and drops the rest. A serial port has no end of file, and a virtual machine that ends may
 * lose buffered data: the marker shows that the data is complete.
 */
export class UntilMarker extends Transform {
  readonly #mark: Buffer;
  /** Trailing bytes that may be the beginning of the marker. */
  #held: Buffer = Buffer.alloc(0);
  #seen = false;
  readonly #reached: () => void;

  readonly #cutShort: string | undefined;

  /** `cutShort` is the error message for a stream that ends without the marker; absent, that is no error. */
  constructor(mark: Buffer, reached: () => void, cutShort?: string) {
    super();
    this.#mark = mark;
    this.#reached = reached;
    this.#cutShort = cutShort;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    if (!this.#seen) this.#take(this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]));
    done();
  }

  override _flush(done: (error?: Error) => void): void {
    if (!this.#seen) this.push(this.#held);
    if (this.#seen || this.#cutShort === undefined) done();
    else done(new Error(this.#cutShort));
  }

  #take(bytes: Buffer): void {
    const at = bytes.indexOf(this.#mark);
    this.#seen = at >= 0;
    const end = this.#seen ? at : bytes.length - beginning(bytes, this.#mark);
    this.#held = bytes.subarray(this.#seen ? bytes.length : end);
    this.push(bytes.subarray(0, end));
    if (!this.#seen) return;
    this.push(null);
    this.#reached();
  }
}

/** Length of the longest suffix of `bytes` that is a prefix of the marker. */
function beginning(bytes: Buffer, mark: Buffer): number {
  const first = Math.max(0, bytes.length - mark.length);
  for (
    let at = bytes.indexOf(mark.readUInt8(0), first);
    at >= 0;
    at = bytes.indexOf(mark.readUInt8(0), at + 1)
  ) {
    if (bytes.subarray(at).equals(mark.subarray(0, bytes.length - at))) return bytes.length - at;
  }
  return 0;
}
