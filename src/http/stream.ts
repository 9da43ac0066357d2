import type { Context } from 'hono';
import type { HttpEnv } from './env.ts';

/** A body in chunks, each read when it is taken. Where it breaks off, so does the connection: an aborted answer has no last chunk. */
export function streamOf(
  { env }: Context<HttpEnv>,
  body: AsyncIterable<Uint8Array>,
): ReadableStream<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]();
  return new ReadableStream(
    {
      async pull(stream) {
        try {
          const next = await chunks.next();
          if (next.done === true) stream.close();
          else stream.enqueue(next.value);
        } catch (error) {
          if (env.outgoing === undefined) throw error;
          env.outgoing.destroy();
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
