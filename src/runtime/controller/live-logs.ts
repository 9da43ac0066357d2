import { createReadStream, createWriteStream, type WriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Controller } from '../../core/controller/machine.ts';
import { liveLeases } from '../../core/controller/state.ts';
import { QuorateError } from '../../core/errors.ts';
import { LineEscaper } from '../../core/escape.ts';
import { limits } from '../../core/limits.ts';
import { decodeMessage, logUpSchema } from '../../core/wire/messages.ts';
import { protocols } from '../../core/wire/protocols.ts';
import type { Channel, Mesh } from '../../mesh/index.ts';

interface LiveLog {
  file: string;
  bytes: number;
  /** The latest text, for those who come late. */
  tail: string;
  listeners: Set<(text: string) => void>;
}

const tailChars = 256 * 1024;
const pieceBytes = 32 * 1024;

/** Live logs of builds: made harmless on arrival, kept in a file each, bounded, and passed on to those who follow. */
export class LiveLogs {
  readonly #dir: string;
  readonly #live = new Map<string, LiveLog>();

  constructor(dir: string) {
    this.#dir = dir;
  }

  #file(lease: string): string {
    return join(this.#dir, `${lease}.log`);
  }

  /** What there is, in pieces: anybody may ask for many at once and take none of them. */
  async *read(lease: string): AsyncGenerator<string> {
    const stream = createReadStream(this.#file(lease), { encoding: 'utf8', highWaterMark: pieceBytes });
    try {
      for await (const text of stream) yield text;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }

  isLive(lease: string): boolean {
    return this.#live.has(lease);
  }

  /** Calls back with the latest text and each new piece until the result is called; undefined when nothing is being sent. */
  follow(lease: string, listener: (text: string) => void): (() => void) | undefined {
    const live = this.#live.get(lease);
    if (live === undefined) return undefined;
    if (live.tail !== '') listener(live.tail);
    live.listeners.add(listener);
    return () => live.listeners.delete(listener);
  }

  serve(context: { mesh: Mesh; machine: Controller }): void {
    context.mesh.handle(protocols.log, (channel) => this.#session(context, channel), {
      maxInboundStreams: 64,
      maxMessageBytes: limits.documentBytesMax,
    });
  }

  async #session(context: { machine: Controller }, channel: Channel): Promise<void> {
    const first = await channel.receive({ timeoutMs: 10_000 });
    if (first === undefined) return;
    const { lease } = decodeMessage(first, logUpSchema, 'a log header');
    const run = context.machine.state.runs.get(context.machine.state.leases.get(lease) ?? '');
    const live = run === undefined ? undefined : liveLeases(run).find(({ id }) => id === lease);
    if (live === undefined || live.worker !== channel.peer)
      throw new QuorateError('LOG_NO_LEASE', 'a log is sent by who holds its lease');
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    const log: LiveLog = { file: this.#file(lease), bytes: 0, tail: '', listeners: new Set() };
    const output = createWriteStream(log.file, { mode: 0o600 });
    output.on('error', () => output.destroy());
    this.#live.set(lease, log);
    try {
      await this.#receive(channel, log, output);
    } finally {
      // Until the last line is in the file, only those who follow have it.
      await new Promise<void>((resolve) => output.end(() => resolve()));
      this.#live.delete(lease);
    }
  }

  async #receive(channel: Channel, log: LiveLog, output: WriteStream): Promise<void> {
    const decoder = new TextDecoder();
    const lines = new LineEscaper();
    const pass = (found: string[]) => {
      if (found.length === 0) return;
      const text = `${found.join('\n')}\n`;
      output.write(text);
      log.tail = (log.tail + text).slice(-tailChars);
      for (const listener of log.listeners) listener(text);
    };
    for (;;) {
      const chunk = await channel.receive({ timeoutMs: 24 * 3600 * 1000 });
      if (chunk === undefined) break;
      if (log.bytes >= limits.logBytesMax) continue;
      log.bytes += chunk.length;
      pass(lines.push(decoder.decode(chunk, { stream: true })));
      if (log.bytes >= limits.logBytesMax)
        pass(['[the log is longer than what is kept; the rest is left out]']);
    }
    pass(lines.end());
  }
}
