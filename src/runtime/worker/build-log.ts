import { setTimeout as sleep } from 'node:timers/promises';
import { ByteQueue } from '../../core/byte-queue.ts';
import { limits } from '../../core/limits.ts';
import { type LogStream, openLog } from '../../core/sessions/worker/log-client.ts';
import type { WorkerContext } from './context.ts';

/** Waits to be sent to the controller at most. */
const queueBytesMax = 1024 * 1024;
/** A message carries up to `messageBytes` of log; a shorter one is sent `gatherMs` after the message before. */
const messageBytes = 64 * 1024;
const gatherMs = 50;
/** How long the result of a build waits for its log to be sent. */
const endMsMax = 2_000;
/** Longest time after the build for which the rest of its log is sent, in ms; what is left then is omitted. */
const restMsMax = 60_000;

/** Opens the live log of a lease at the controller; undefined where the controller does not take it. */
export async function openLogStream(
  { dial, credentials }: WorkerContext,
  lease: string,
): Promise<LogStream | undefined> {
  const [controller] = credentials.membership.controllers;
  if (controller === undefined) return undefined;
  return openLog(dial, controller, lease).catch(() => undefined);
}

/**
 * The log of one build: kept, bounded, and streamed live to the controller as long as that works. A build that writes
 * single bytes makes this hold bytes, not a million of pieces.
 */
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
    this.#kept.push(kept);
    this.#pass(kept);
    if (this.#bytes < limits.logBytesMax) return;
    const rest = new TextEncoder().encode('\n[quorate: the log reached its limit; the rest is left out]\n');
    this.#kept.push(rest);
    this.#tellLeftOut();
    this.#send(rest);
  }

  /** A controller that does not read costs us its live view, never memory: the block is complete either way. */
  #pass(chunk: Uint8Array): void {
    if (this.#queue.length > queueBytesMax) {
      this.#leftOut += chunk.length;
      return;
    }
    this.#tellLeftOut();
    this.#send(chunk);
  }

  #tellLeftOut(): void {
    if (this.#leftOut === 0) return;
    const says = `\n[quorate: ${this.#leftOut} bytes are left out here, as they came faster than they could be sent]\n`;
    this.#leftOut = 0;
    this.#send(new TextEncoder().encode(says));
  }

  #send(bytes: Uint8Array): void {
    this.#queue.push(bytes);
    if (this.#queue.length >= messageBytes) this.#enough();
    this.#sending ??= this.#empty().finally(() => {
      this.#sending = undefined;
    });
  }

  /** Sends the queue in messages of up to `messageBytes`, one at a time, until it is empty. */
  async #empty(): Promise<void> {
    const channel = await this.#channel;
    try {
      while (channel !== undefined && this.#queue.length > 0) {
        await this.#gather();
        await channel.send(this.#queue.take(Math.min(messageBytes, this.#queue.length)));
        this.#sentAt = performance.now();
      }
    } catch {
      this.#channel = Promise.resolve(undefined);
    }
    this.#queue.clear();
  }

  /** Resolves when a message is due. */
  async #gather(): Promise<void> {
    const ms = this.#sentAt + gatherMs - performance.now();
    if (ms <= 0 || this.#ended || this.#queue.length >= messageBytes) return;
    await new Promise<void>((resolve) => {
      this.#enough = resolve;
      this.#timer = setTimeout(resolve, ms);
    });
    clearTimeout(this.#timer);
  }

  /** All of the log, once it is sent too, or `endMsMax` after that was asked for: what is left then is sent meanwhile. */
  async end(): Promise<Uint8Array> {
    this.#tellLeftOut();
    this.#ended = true;
    this.#enough();
    await Promise.race([this.#sendRest(), sleep(endMsMax, undefined, { ref: false })]);
    return this.#kept.take(this.#kept.length);
  }

  async #sendRest(): Promise<void> {
    await Promise.race([this.#sending, sleep(restMsMax, undefined, { ref: false })]);
    const channel = await this.#channel;
    await (this.#sending === undefined ? channel?.end() : channel?.close())?.catch(() => {});
  }
}
