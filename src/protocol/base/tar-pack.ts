/** A parser or an entry of the library tar-stream, as it is written to. */
interface Sink {
  readonly destroyed: boolean;
  write(bytes: Uint8Array): boolean;
  end(rest: undefined): unknown;
  on(event: 'drain' | 'close' | 'error', listener: (error?: unknown) => void): unknown;
  off(event: 'drain' | 'close', listener: () => void): unknown;
}

/** A packer of that library. */
interface Packer<Header> extends AsyncIterable<unknown> {
  readonly destroyed: boolean;
  entry(header: Header, written: (error?: Error | null) => void): Sink;
  push(chunk: Uint8Array | null): boolean;
  finalize(): void;
  destroy(error?: Error): void;
}

/** Bytes of an archive that are made ahead of who takes them. */
const aheadBytesMax = 64 * 1024;

/** Appends an entry. Resolves when it is written and the archive is not far ahead of its reader. */
export type Put<Header> = (
  header: Header,
  content?: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
) => Promise<void>;

/** The tar archive of the entries that `fill` appends, made as it is read. @throws what `fill` throws */
export async function* tarOf<Header>(
  packer: Packer<Header>,
  fill: (put: Put<Header>) => Promise<void>,
): AsyncGenerator<Uint8Array> {
  const ahead = new Ahead(packer);
  const put: Put<Header> = async (header, content = []) => {
    if (packer.destroyed) throw new Error('the archive is not read any more');
    await new Promise<void>((resolve, reject) => {
      const sink = packer.entry(header, (error) => (error ? reject(error) : resolve()));
      // An error of the archive is emitted on each open sink too, which needs a listener.
      sink.on('error', reject);
      // Destroying the sink would replace this error by another; the archive is destroyed with it instead.
      pour(sink, content).catch(reject);
    });
    // Not before it: an entry of another archive is to be read from in the turn it is given, or its error is lost.
    await ahead.room();
  };
  const filled = fill(put).then(() => packer.finalize());
  filled.catch((error: unknown) => packer.destroy(error instanceof Error ? error : new Error(String(error))));
  try {
    for await (const chunk of packer as AsyncIterable<Uint8Array>) {
      yield chunk;
      ahead.taken(chunk.length);
    }
    await filled;
  } finally {
    ahead.end();
    packer.destroy();
  }
}

/** Holds back who fills an archive: of entries without bytes the packer takes any number at once. */
class Ahead {
  #bytes = 0;
  #progress = Promise.withResolvers<void>();

  constructor(packer: Pick<Packer<never>, 'push'>) {
    const push = packer.push.bind(packer);
    packer.push = (chunk) => {
      this.#bytes += chunk?.length ?? 0;
      return push(chunk);
    };
  }

  taken(bytes: number): void {
    this.#bytes -= bytes;
    this.#progress.resolve();
    this.#progress = Promise.withResolvers();
  }

  /** The reader has ended: no more bytes are taken. */
  end(): void {
    this.#bytes = 0;
    this.#progress.resolve();
  }

  async room(): Promise<void> {
    while (this.#bytes > aheadBytesMax) await this.#progress.promise;
  }
}

async function pour(sink: Sink, content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
  for await (const chunk of content) {
    if (!sink.write(chunk)) await drained(sink);
    if (sink.destroyed) return;
  }
  sink.end(undefined);
}

/** Resolves when a stream of an archive takes more bytes or is closed. */
export function drained(stream: Pick<Sink, 'destroyed' | 'on' | 'off'>): Promise<void> {
  // A closed one emits no more events.
  if (stream.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done);
      stream.off('close', done);
      resolve();
    };
    stream.on('drain', done);
    stream.on('close', done);
  });
}
