import { setTimeout as sleep } from 'node:timers/promises';
import { ByteQueue } from '../../protocol/base/byte-queue.ts';
import { limits } from '../../protocol/base/limits.ts';
import { leftOutNote, limitNote } from '../../protocol/base/log-notes.ts';
import { LogTimes } from '../../protocol/base/log-times.ts';
import { type LogStream, openLog } from '../sessions/log-client.ts';
import type { WorkerContext } from './context.ts';
import { workerNodeLimits } from './limits.ts';

const { logQueueBytesMax, logMessageBytes, logGatherMs } = workerNodeLimits;

/** Opens the live log of a lease at the controller; undefined where the controller does not take it. */
export async function openLogStream(
  { dial, credentials }: WorkerContext,
  lease: string,
): Promise<LogStream | undefined> {
  return openLog(dial, credentials.controller, lease).catch(() => undefined);
}

/** The log of one build: kept, bounded, and streamed live to the controller as long as that works. */
export class BuildLog {
  readonly #kept = new ByteQueue();
  #bytes = 0;
  #channel: Promise<LogStream | undefined>;
  readonly #queue = new ByteQueue();
  #sending: Promise<void> | undefined;
  /** Not sent since what was sent last. */
  #leftOut = 0;
  /** Monotonic time of the last message. */
  #sentAt = Number.NEGATIVE_INFINITY;
  #ended = false;
  /** Ends the wait for more to send. */
  #enough: () => void = () => {};
  #timer: NodeJS.Timeout | undefined;

  /** Of its lines. The log as it is kept: what is streamed may lack some. */
  readonly times = new LogTimes();
  readonly #begun = performance.now();

  constructor(channel: Promise<LogStream | undefined>) {
    this.#channel = channel;
  }

  line(text: string): void {
    this.write(new TextEncoder().encode(`${text}\n`));
  }

  write(chunk: Uint8Array): void {
    if (this.#bytes >= limits.logBytesMax) return;
    const kept = chunk.subarray(0, limits.logBytesMax - this.#bytes);
    this.#bytes += kept.length;
    this.times.push(kept, performance.now() - this.#begun);
    this.#kept.push(kept);
    this.#pass(kept);
    if (this.#bytes < limits.logBytesMax) return;
    const rest = new TextEncoder().encode(`\n${limitNote}\n`);
    this.#kept.push(rest);
    this.#tellLeftOut();
    this.#send(rest);
  }

  /** A controller that does not read costs us its live view, never memory: the block is complete either way. */
  #pass(chunk: Uint8Array): void {
    if (this.#queue.length > logQueueBytesMax) {
      this.#leftOut += chunk.length;
      return;
    }
    this.#tellLeftOut();
    this.#send(chunk);
  }

  #tellLeftOut(): void {
    if (this.#leftOut === 0) return;
    const says = `\n${leftOutNote(this.#leftOut)}\n`;
    this.#leftOut = 0;
    this.#send(new TextEncoder().encode(says));
  }

  #send(bytes: Uint8Array): void {
    this.#queue.push(bytes);
    if (this.#queue.length >= logMessageBytes) this.#enough();
    this.#sending ??= this.#empty().finally(() => {
      this.#sending = undefined;
    });
  }

  /** Sends the queue in messages of up to `logMessageBytes`, one at a time, until it is empty. */
  async #empty(): Promise<void> {
    const channel = await this.#channel;
    try {
      while (channel !== undefined && this.#queue.length > 0) {
        await this.#gather();
        await channel.send(this.#queue.take(Math.min(logMessageBytes, this.#queue.length)));
        this.#sentAt = performance.now();
      }
    } catch {
      this.#channel = Promise.resolve(undefined);
    }
    this.#queue.clear();
  }

  /** Resolves when a message is due. */
  async #gather(): Promise<void> {
    const ms = this.#sentAt + logGatherMs - performance.now();
    if (ms <= 0 || this.#ended || this.#queue.length >= logMessageBytes) return;
    await new Promise<void>((resolve) => {
      this.#enough = resolve;
      this.#timer = setTimeout(resolve, ms);
    });
    clearTimeout(this.#timer);
  }

  /** The whole log. Resolves when it is sent, at the latest after `logEndMs`; the rest is sent later. */
  async end(): Promise<Uint8Array> {
    this.#tellLeftOut();
    this.#ended = true;
    this.#enough();
    await Promise.race([this.#sendRest(), sleep(workerNodeLimits.logEndMs, undefined, { ref: false })]);
    return this.#kept.take(this.#kept.length);
  }

  async #sendRest(): Promise<void> {
    await Promise.race([this.#sending, sleep(workerNodeLimits.logRestMs, undefined, { ref: false })]);
    const channel = await this.#channel;
    await (this.#sending === undefined ? channel?.end() : channel?.close())?.catch(() => {});
  }
}
