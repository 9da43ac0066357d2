import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

type Done = (error?: Error | null) => void;

/** The bytes of a connection, each of which is counted. TLS over it is counted as what it sends, not as what is in it. */
export class CountedStream extends Duplex {
  readonly #socket: Socket;
  readonly #sent: (chunk: Uint8Array) => void;

  constructor(socket: Socket, count: { received(chunk: Uint8Array): void; sent(chunk: Uint8Array): void }) {
    super();
    this.#socket = socket;
    this.#sent = count.sent;
    socket.on('data', (chunk: Buffer) => {
      count.received(chunk);
      if (!this.push(chunk)) socket.pause();
    });
    socket.once('end', () => this.push(null));
    socket.once('error', (error) => this.destroy(error));
    socket.once('close', () => this.destroy());
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: Done): void {
    this.#sent(chunk);
    this.#socket.write(chunk, done);
  }

  override _final(done: Done): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#socket.destroy();
    done(error);
  }
}
