import type { z } from 'zod';
import { codeOf, messageOf, QuorateError, reportedError } from '../base/errors.ts';
import { decodeMessage, encodeMessage } from '../wire/messages.ts';
import type { Channel, ReceiveOptions } from './ports.ts';

/** Typed messages over one channel, in the order of the calls. A send that fails aborts the channel, so that the reader sees it. */
export class MessageStream<Sent, Received> {
  readonly channel: Channel;
  readonly #schema: z.ZodType<Received>;
  readonly #what: string;
  readonly #sent: (bytes: number) => void;
  #sending: Promise<void> = Promise.resolve();

  /** `sent` is told the length of each message that is sent. */
  constructor(
    channel: Channel,
    schema: z.ZodType<Received>,
    what: string,
    sent: (bytes: number) => void = () => {},
  ) {
    this.channel = channel;
    this.#schema = schema;
    this.#what = what;
    this.#sent = sent;
  }

  get peer(): string {
    return this.channel.peer;
  }

  send(message: Sent | Promise<Sent>): Promise<void> {
    // One that rejects before its turn is still handled.
    if (message instanceof Promise) message.catch(() => {});
    this.#sending = this.#sending.then(async () => {
      const bytes = encodeMessage(await message);
      this.#sent(bytes.length);
      return this.channel.send(bytes);
    });
    this.#sending.catch((error) =>
      this.channel.abort(error instanceof Error ? error : new Error(messageOf(error))),
    );
    return this.#sending;
  }

  /** Sends without waiting. A failure shows on the reading side. */
  post(message: Sent | Promise<Sent>): void {
    this.send(message).catch(() => {});
  }

  /** The next message; undefined once the other side has closed its half. @throws `WIRE_INVALID`, `MESH_…`. */
  async receive(options: ReceiveOptions = {}): Promise<Received | undefined> {
    return (await this.receiveSized(options))?.message;
  }

  /** As `receive`, with the length of the message on the wire. */
  async receiveSized(
    options: ReceiveOptions = {},
  ): Promise<{ message: Received; bytes: number } | undefined> {
    const bytes = await this.channel.receive(options);
    if (bytes === undefined) return undefined;
    return { message: decodeMessage(bytes, this.#schema, this.#what), bytes: bytes.length };
  }

  async close(): Promise<void> {
    await this.#sending.catch(() => {});
    await this.channel.close().catch(() => {});
  }

  /** The conversation is over, on both sides: the stream is kept for the next one, where streams are, or closed. */
  async release(): Promise<void> {
    const sent = await this.#sending.then(
      () => true,
      () => false,
    );
    const { kept } = this.channel;
    if (sent && kept !== undefined) kept.release();
    else await this.close();
  }
}

/** Answers on a stream, which ends then; an error is the last answer. */
export async function answering(
  stream: { send(error: ErrorMessage): Promise<void>; close(): Promise<void> },
  answer: () => Promise<void>,
): Promise<void> {
  try {
    await answer();
  } catch (error) {
    await stream.send(errorMessage(error)).catch(() => {});
  }
  await stream.close();
}

export interface ErrorMessage {
  kind: 'error';
  code: string;
  message: string;
  hint?: string | undefined;
}

/** An error as it goes over the wire. An error that is not a `QuorateError` gives away nothing but its code. */
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

const messageCharsMax = 2000;

/** Cut by code points, as the schema counts them: no character is halved. */
function printable(text: string): string {
  const kept = [...text.slice(0, 2 * messageCharsMax)].slice(0, messageCharsMax).join('');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: replacing control characters is the point
  return kept.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/gu, ' ');
}

export function errorFrom({ code, message, hint }: ErrorMessage): QuorateError {
  return reportedError(code, message, hint === undefined ? {} : { hint });
}
