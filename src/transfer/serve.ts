import { QuorateError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { encodeCar } from './encode.ts';
import { decodeRequest, encodeFailure, kinds, messageBytesMax } from './frames.ts';
import type { BlockSource, Pipe } from './index.ts';

/**
 * Answers one peer's requests until it closes or says nothing for long. Holds two messages and a few blocks, however
 * slowly the peer reads. @throws TRANSFER_INVALID, and what the pipe throws
 */
export async function serveTrees(pipe: Pipe, source: BlockSource): Promise<void> {
  for (;;) {
    const message = await pipe.receive({ timeoutMs: limits.transferIdleSecondsMax * 1000 });
    if (message === undefined) return;
    const { roots, max } = decodeRequest(message);
    const outbox = new Outbox(pipe);
    try {
      const maxBytes = Math.min(max, limits.transferAnswerBytesMax);
      for await (const piece of encodeCar(source, roots, { maxBytes })) await outbox.add(piece);
      await outbox.end(Uint8Array.of(kinds.end));
    } catch (error) {
      if (!(error instanceof QuorateError) || !error.code.startsWith('STORE_')) throw error;
      await outbox.end(encodeFailure(error.code, error.message));
    }
  }
}

/** Gathers pieces into messages; one is sent while the next is gathered. */
class Outbox {
  readonly #pipe: Pipe;
  #pieces: Uint8Array[] = [];
  #bytes = 1;
  #sending: Promise<void> = Promise.resolve();

  constructor(pipe: Pipe) {
    this.#pipe = pipe;
  }

  async add(piece: Uint8Array): Promise<void> {
    if (this.#bytes + piece.length > messageBytesMax) await this.#send();
    this.#pieces.push(piece);
    this.#bytes += piece.length;
  }

  async end(last: Uint8Array): Promise<void> {
    if (this.#pieces.length > 0) await this.#send();
    await this.#sending;
    await this.#pipe.send(last);
  }

  async #send(): Promise<void> {
    const message = Buffer.concat([Uint8Array.of(kinds.data), ...this.#pieces], this.#bytes);
    this.#pieces = [];
    this.#bytes = 1;
    await this.#sending;
    this.#sending = this.#pipe.send(message);
    this.#sending.catch(() => {});
  }
}
