import { Transform } from 'node:stream';

/**
 * What comes before a mark; what comes after it is dropped. A serial port has no end, and a machine that is gone may have
 * taken some of what it had to say with it: the mark shows that all has come.
 */
export class UntilMarker extends Transform {
  readonly #mark: Buffer;
  /** The last bytes, while they may be the beginning of the mark. */
  #held: Buffer = Buffer.alloc(0);
  #seen = false;
  readonly #reached: () => void;

  readonly #cutShort: string | undefined;

  /** `cutShort` is the error of a stream that ends without its mark, where that is one. */
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
    if (!this.#seen && this.#held.length > 0) this.push(this.#held);
    if (this.#seen || this.#cutShort === undefined) done();
    else done(new Error(this.#cutShort));
  }

  #take(bytes: Buffer): void {
    const at = bytes.indexOf(this.#mark);
    this.#seen = at >= 0;
    const end = this.#seen ? at : bytes.length - beginning(bytes, this.#mark);
    this.#held = bytes.subarray(this.#seen ? bytes.length : end);
    if (end > 0) this.push(bytes.subarray(0, end));
    if (!this.#seen) return;
    this.push(null);
    this.#reached();
  }
}

/** How many of the last bytes are how the mark begins. */
function beginning(bytes: Buffer, mark: Buffer): number {
  const first = Math.max(0, bytes.length - mark.length + 1);
  for (
    let at = bytes.indexOf(mark.readUInt8(0), first);
    at >= 0;
    at = bytes.indexOf(mark.readUInt8(0), at + 1)
  ) {
    if (bytes.subarray(at).equals(mark.subarray(0, bytes.length - at))) return bytes.length - at;
  }
  return 0;
}
