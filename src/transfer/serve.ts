import { assert, QuorateError } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';
import { Slices } from '../protocol/base/slices.ts';
import { encodeCar } from './encode.ts';
import { closing, decodeRequest, type End, encodeEnd, messageBytesMax } from './frames.ts';
import { transferLimits } from './limits.ts';
import type { Pipe, ServedBlocks } from './types.ts';

/** A chunk from this size on is a message by itself, since gathering would copy it; a smaller block gets memory of its own. */
const largeBytes = 64 * 1024;
/**
 * Bytes after which memory is reused: two blocks are read ahead, two messages wait to be sent, and the rest is more than two windows of a
 * stream, so the peer has received the block.
 */
const ringBytes = 8 * limits.meshWindowBytes;
assert(4 * largeBytes < limits.meshWindowBytes, 'a window holds several messages, and blocks of the ring');

/** Gives memory of a ring buffer, for blocks that are read and sent in order: allocating 1 MiB costs more than encrypting it. */
export function ringAlloc(): (size: number) => Uint8Array {
  let buffer: Uint8Array | undefined;
  let at = 0;
  return (size) => {
    if (size < largeBytes) return new Uint8Array(size);
    buffer ??= new Uint8Array(ringBytes);
    if (at + size > ringBytes) at = 0;
    at += size;
    return buffer.subarray(at - size, at);
  };
}

/**
 * Answers one peer's requests until it closes the pipe or is silent for `transferLimits.idleSecondsMax`. Uses memory for two messages and
 * a ring of blocks, however slowly the peer reads. @throws TRANSFER_INVALID, and the errors of the pipe
 */
export async function serveTrees(pipe: Pipe, source: ServedBlocks): Promise<void> {
  const alloc = ringAlloc();
  const slices = new Slices({ now: () => performance.now(), turn: setImmediate });
  for (;;) {
    const message = await pipe.receive({ timeoutMs: transferLimits.idleSecondsMax * 1000 });
    if (message === undefined) return;
    const { roots, max } = decodeRequest(message);
    const outbox = new Outbox(pipe);
    for (const root of roots) source.asked(root);
    try {
      const maxBytes = Math.min(max, transferLimits.answerBytesMax);
      let pieces = 0;
      for await (const piece of encodeCar(source, roots, { maxBytes, alloc })) {
        if (++pieces % piecesPerTurn === 0) await pipe.charge?.(1);
        if (slices.isOver) await slices.next();
        await outbox.add(piece);
      }
      await outbox.end({ kind: 'end' });
    } catch (error) {
      if (!(error instanceof QuorateError) || !error.code.startsWith('STORE_')) throw error;
      await outbox.end(failed(error));
    }
  }
}

const failed = ({ code, message }: QuorateError): End => ({
  kind: 'failed',
  code,
  message: message.slice(0, 1000),
});

/** The answer to a peer that is served nothing now. */
export const refusedTransfer = (error: QuorateError): Uint8Array[] => [closing, encodeEnd(failed(error))];

/** Pieces, of which a block has two, that take a turn beside their bytes: small files cost by their number. */
const piecesPerTurn = 2 * 128;

/** Gathers small chunks into messages; sends one while it gathers the next. */
class Outbox {
  readonly #pipe: Pipe;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #sending: Promise<void> = Promise.resolve();

  constructor(pipe: Pipe) {
    this.#pipe = pipe;
  }

  async add(piece: Uint8Array): Promise<void> {
    const isLarge = piece.length >= largeBytes;
    if (isLarge || this.#bytes + piece.length > messageBytesMax) await this.#flush();
    if (isLarge) return this.#send(piece);
    this.#pieces.push(piece);
    this.#bytes += piece.length;
  }

  async end(end: End): Promise<void> {
    await this.#flush();
    await this.#sending;
    await this.#pipe.send(closing);
    await this.#pipe.send(encodeEnd(end));
  }

  async #flush(): Promise<void> {
    if (this.#bytes === 0) return;
    const message = Buffer.concat(this.#pieces, this.#bytes);
    this.#pieces = [];
    this.#bytes = 0;
    await this.#send(message);
  }

  async #send(message: Uint8Array): Promise<void> {
    await this.#sending;
    this.#sending = this.#pipe.send(message);
    this.#sending.catch(() => {});
  }
}
