import { onTestFinished } from 'vitest';
import type { Channel } from '../../../src/protocol/sessions/ports.ts';
import { encodeMessage } from '../../../src/protocol/wire/messages.ts';

/** One side of a stream, whose other side is the test. */
export class FakeChannel<Sent extends { kind: string }> {
  /** Messages of the side under test. */
  readonly said: Sent[] = [];
  readonly channel: Channel;
  closed = false;
  readonly #inbox: (Uint8Array | undefined)[] = [];
  #wake: () => void = () => {};
  #look: () => void = () => {};

  constructor(peer: string) {
    const close = async () => {
      this.closed = true;
      this.#put(undefined);
    };
    const isClosed = () => this.closed;
    this.channel = {
      peer,
      get closed() {
        return isClosed();
      },
      send: async (bytes: Uint8Array) => {
        this.said.push(JSON.parse(new TextDecoder().decode(bytes)));
        this.#look();
      },
      receive: async () => {
        while (this.#inbox.length === 0) {
          const { promise, resolve } = Promise.withResolvers<void>();
          this.#wake = resolve;
          await promise;
        }
        return this.#inbox.shift();
      },
      close,
      abort: () => void close(),
    } as unknown as Channel;
    onTestFinished(() => void close());
  }

  say(message: object): void {
    this.#put(encodeMessage(message));
  }

  /** The test's side closes. */
  end(): void {
    this.#put(undefined);
  }

  #put(bytes: Uint8Array | undefined): void {
    this.#inbox.push(bytes);
    this.#wake();
  }

  /** The nth message of a kind, from 1. The time limit is the test's. */
  async heard(kind: Sent['kind'], nth = 1): Promise<Sent> {
    for (;;) {
      const found = this.said.filter((message) => message.kind === kind)[nth - 1];
      if (found !== undefined) return found;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#look = resolve;
      await promise;
    }
  }
}
