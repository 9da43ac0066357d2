import type { z } from 'zod';
import { codeOf, messageOf, QuorateError } from '../../core/errors.ts';
import { decodeMessage, encodeMessage } from '../../core/wire/messages.ts';
import type { Channel } from '../../mesh/index.ts';

/**
 * Typed messages over one channel. Sends go out in the order they were asked for, also those still being signed; a send that fails ends the channel,
 * which the reading side then sees.
 */
export class MessageStream<Up, Down> {
  readonly channel: Channel;
  readonly #schema: z.ZodType<Down>;
  readonly #what: string;
  #sending: Promise<void> = Promise.resolve();

  constructor(channel: Channel, schema: z.ZodType<Down>, what: string) {
    this.channel = channel;
    this.#schema = schema;
    this.#what = what;
  }

  get peer(): string {
    return this.channel.peer;
  }

  send(message: Up | Promise<Up>): Promise<void> {
    this.#sending = this.#sending.then(async () => this.channel.send(encodeMessage(await message)));
    this.#sending.catch((error) =>
      this.channel.abort(error instanceof Error ? error : new Error(messageOf(error))),
    );
    return this.#sending;
  }

  /** For those who cannot wait and need not know: a failure shows on the reading side. */
  post(message: Up | Promise<Up>): void {
    this.send(message).catch(() => {});
  }

  /** The next message; undefined when the other side is done. Throws `WIRE_INVALID`, `MESH_…`. */
  async receive(options: { timeoutMs?: number; signal?: AbortSignal } = {}): Promise<Down | undefined> {
    const bytes = await this.channel.receive(options);
    return bytes === undefined ? undefined : decodeMessage(bytes, this.#schema, this.#what);
  }

  async close(): Promise<void> {
    await this.#sending.catch(() => {});
    await this.channel.close().catch(() => {});
  }
}

export interface ErrorMessage {
  kind: 'error';
  code: string;
  message: string;
  hint?: string | undefined;
}

/** An error as it goes over the wire; what is not ours says no more than that. */
export function errorMessage(error: unknown): ErrorMessage {
  if (!(error instanceof QuorateError))
    return { kind: 'error', code: codeOf(error), message: 'the other side failed' };
  const { code, message, hint } = error;
  return {
    kind: 'error',
    code,
    message: printable(message),
    ...(hint === undefined ? {} : { hint: printable(hint) }),
  };
}

function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: replacing control characters is the point
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/gu, ' ').slice(0, 2000);
}

/** The error the other side reported, as one of ours. */
export function errorFrom({ code, message, hint }: ErrorMessage): QuorateError {
  return new QuorateError(code, message, hint === undefined ? {} : { hint });
}
