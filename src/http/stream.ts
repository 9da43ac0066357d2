import { setTimeout } from 'node:timers/promises';
import type { Context } from 'hono';
import { assert } from '../protocol/base/errors.ts';
import { LongWork } from '../store/index.ts';
import type { Account } from './accounts.ts';
import type { HttpEnv } from './env.ts';
import { httpLimits } from './limits.ts';

/** Bytes that are sent at once where chunks are smaller. */
const pieceBytes = 64 * 1024;

/** Charges bytes to who takes them. A client that has used up its part waits. */
export async function paid(account: Account | undefined, bytes: number, weight: number): Promise<void> {
  const waitMs = account?.sent(bytes, weight) ?? 0;
  if (waitMs > 0) await setTimeout(waitMs);
}

/** A body read chunk by chunk as it is sent, and charged. Where it breaks off so does the connection. `weight`: see `Account.sent`. */
export function streamOf(
  c: Context<HttpEnv>,
  body: AsyncIterable<Uint8Array>,
  { weight = 1 }: { weight?: number } = {},
): ReadableStream<Uint8Array> {
  const { outgoing, account } = c.env ?? {};
  c.set('isCounted', true);
  const chunks = body[Symbol.asyncIterator]();
  const slices = new LongWork();
  return new ReadableStream(
    {
      async pull(stream) {
        try {
          const next = await chunks.next();
          if (next.done === true) return stream.close();
          await paid(account, next.value.length, weight);
          if (slices.isOver) await slices.next();
          stream.enqueue(next.value);
        } catch (error) {
          if (outgoing === undefined) throw error;
          outgoing.destroy();
          stream.close();
        }
      },
      async cancel() {
        await chunks.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}

/**
 * Joins small chunks of a body that is at hand. `leastBytes`: least cost of a chunk; `more` is told of the difference. `gone`: nothing
 * more is read, since a thousand small files are read for one piece.
 */
export async function* gathered(
  body: AsyncIterable<Uint8Array>,
  leastBytes = 0,
  more: (bytes: number) => void = () => {},
  gone?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const slices = new LongWork();
  let held: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    held.push(chunk);
    bytes += chunk.length;
    if (chunk.length < leastBytes) more(leastBytes - chunk.length);
    if (slices.isOver) await slices.next();
    if (gone?.aborted === true) return;
    if (bytes < pieceBytes) continue;
    yield held.length === 1 ? chunk : Buffer.concat(held);
    [held, bytes] = [[], 0];
  }
  if (bytes > 0) yield Buffer.concat(held);
}

export async function* piecesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

export const wholeBytesMax = 4 * pieceBytes;
assert(wholeBytesMax <= httpLimits.bytesPerRequest, 'a whole answer is one request');
