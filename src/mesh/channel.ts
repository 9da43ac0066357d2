import type { Stream } from '@libp2p/interface';
import { ByteQueue } from '../protocol/base/byte-queue.ts';
import { assert, QuorateError } from '../protocol/base/errors.ts';
import { Slices } from '../protocol/base/slices.ts';
import { tooLarge } from './errors.ts';
import { meshLimits } from './limits.ts';
import { PacedReader } from './paced-reader.ts';
import type { Channel, Link, ReceiveOptions } from './types.ts';

const PREFIX_BYTES = 4;
/** A large message is written in parts: each one that drains is progress, and at most one is queued. */
const PART_BYTES = 256 * 1024;
/** A message up to here is copied behind its length: a copy costs less than a second frame. */
const JOINED_BYTES = 16 * 1024;

/** Charges what a channel carries. */
export interface Toll {
  /** Called with the length of a message before the rest of it is read: what it takes time for the peer waits for. */
  admit(bytes: number): Promise<void>;
  sent(bytes: number): void;
  /** Takes turns for work, and waits for them. */
  charge(turns: number): Promise<void>;
}

export interface ChannelLimits {
  maxMessageBytes: number;
  /** Limit for messages sent. Default: `maxMessageBytes`. */
  maxSendBytes?: number;
  stallMs?: number;
  lingerMs?: number;
  /** For messages that are received without an `admit` of their own, and all that are sent. */
  toll?: Toll | undefined;
  onTooLarge?: () => void;
}

/**
 * Messages over one libp2p stream: a length of four bytes, big-endian, then the message. The other side can send a window ahead of its
 * reader.
 */
export class StreamChannel implements Channel {
  readonly link: Link;
  readonly #stream: Stream;
  readonly #reader: PacedReader;
  readonly #limits: ChannelLimits;
  readonly #pieces = new ByteQueue();
  #length: number | undefined;
  #receiving = false;
  #ended = false;
  /** The message whose length is known may be read. */
  #admitted = false;
  /** Why nothing more is read; our half stays open for an answer. */
  #refusal: Error | undefined;
  #failure: Error | undefined;
  #sends: Promise<void> = Promise.resolve();
  /** Ends the send that waits for the peer to read. */
  #stopWriting: (() => void) | undefined;
  #linger: NodeJS.Timeout | undefined;
  #writeClosed = false;

  constructor(stream: Stream, link: Link, channelLimits: ChannelLimits) {
    this.link = link;
    this.#stream = stream;
    this.#limits = channelLimits;
    this.#reader = new PacedReader(stream);
    stream.addEventListener('close', () => clearTimeout(this.#linger));
  }

  get peer(): string {
    return this.link.peer;
  }

  get closed(): boolean {
    return this.#stream.status !== 'open' || (this.#writeClosed && this.#ended);
  }

  /**
   * Resolves when the whole message is written, that is within the peer's window.
   * @throws MESH_MESSAGE_TOO_LARGE (nothing was sent, the channel stays usable), MESH_TIMEOUT (no progress for `meshLimits.stallMs`),
   * MESH_RESET, MESH_CLOSED
   */
  send(message: Uint8Array): Promise<void> {
    const { maxMessageBytes, maxSendBytes = maxMessageBytes } = this.#limits;
    if (message.byteLength > maxSendBytes) {
      this.#limits.onTooLarge?.();
      return Promise.reject(tooLarge(message.byteLength, maxSendBytes, 'a message'));
    }
    this.#limits.toll?.sent(message.byteLength);
    const sent = this.#sends.then(() => this.#write(message));
    // A failure is reported by the call it belongs to; it does not stop the queue.
    this.#sends = sent.catch(() => {});
    return sent;
  }

  async charge(turns: number): Promise<void> {
    await this.#limits.toll?.charge(turns);
  }

  /**
   * The next message; undefined once the peer has closed its half. Waits `meshLimits.waitMs` by default; after MESH_TIMEOUT or an aborted
   * signal the channel is intact. @throws MESH_TIMEOUT, MESH_RESET, MESH_MESSAGE_TOO_LARGE, MESH_TRUNCATED
   */
  async receive(options: ReceiveOptions = {}): Promise<Uint8Array | undefined> {
    assert(!this.#receiving, 'one receive() at a time');
    this.#receiving = true;
    clearTimeout(this.#linger);
    const { timeoutMs = meshLimits.waitMs, wholeMs = timeoutMs } = options;
    const admit = options.admit ?? this.#limits.toll?.admit;
    try {
      const deadline = performance.now() + wholeMs;
      for (;;) {
        const message = this.#next(admit !== undefined);
        if (message === 'announced') await this.#admit(admit);
        else if (message !== 'more') return message;
        else await this.#readable(Math.min(deadline, performance.now() + timeoutMs), options.signal);
      }
    } finally {
      this.#receiving = false;
      this.#startLinger();
    }
  }

  /** Closes our half once all sends are written; the peer's half can still be read. */
  async close(): Promise<void> {
    await this.#sends;
    if (this.#writeClosed) return;
    this.#writeClosed = true;
    if (this.#stream.writeStatus === 'writable') {
      try {
        await this.#stream.close({ signal: AbortSignal.timeout(this.#limits.stallMs ?? meshLimits.stallMs) });
      } catch (cause) {
        this.abort(
          new QuorateError('MESH_TIMEOUT', `could not close the channel to ${this.peer}`, { cause }),
        );
      }
    }
    this.#startLinger();
  }

  /** Closes both halves at once. Unsent and unread data is lost and the peer gets MESH_RESET. */
  abort(reason: Error): void {
    this.#failure ??= reason;
    this.#pieces.clear();
    clearTimeout(this.#linger);
    this.#stream.abort(reason);
    this.#stopWriting?.();
  }

  /**
   * A whole message, undefined at the end of the stream, 'more' of an incomplete message, or 'announced': its length is known and not
   * admitted.
   */
  #next(admits: boolean): Uint8Array | undefined | 'more' | 'announced' {
    const failure = this.#failure ?? this.#refusal;
    if (failure !== undefined) throw failure;
    for (;;) {
      if (this.#length === undefined && this.#pieces.length >= PREFIX_BYTES) this.#readLength();
      if (this.#length !== undefined && admits && !this.#admitted) return 'announced';
      if (this.#length !== undefined && this.#pieces.length >= this.#length) {
        const message = this.#consume(this.#length);
        this.#length = undefined;
        this.#admitted = false;
        return message;
      }
      const chunk = this.#reader.take();
      if (chunk === undefined) return 'more';
      if (chunk === 'end') return this.#onEnd();
      this.#pieces.push(chunk);
    }
  }

  async #admit(admit: ReceiveOptions['admit']): Promise<void> {
    try {
      await admit?.(this.#length ?? 0);
      this.#admitted = true;
    } catch (error) {
      this.#refusal = error instanceof Error ? error : new Error(String(error));
      this.#pieces.clear();
      throw error;
    }
  }

  #readLength(): void {
    const prefix = this.#consume(PREFIX_BYTES);
    const length = new DataView(prefix.buffer, prefix.byteOffset, PREFIX_BYTES).getUint32(0);
    if (length > this.#limits.maxMessageBytes) {
      this.#limits.onTooLarge?.();
      const error = tooLarge(length, this.#limits.maxMessageBytes, `a message from ${this.peer}`);
      this.abort(error);
      throw error;
    }
    this.#length = length;
  }

  #onEnd(): undefined {
    this.#ended = true;
    if (this.#pieces.length === 0 && this.#length === undefined) return undefined;
    const error = new QuorateError('MESH_TRUNCATED', `${this.peer} closed the channel within a message`);
    this.abort(error);
    throw error;
  }

  /** Takes `count` bytes from the queue, which must hold as many. */
  #consume(count: number): Uint8Array {
    // Not cleared: every byte is overwritten.
    const out = new Uint8Array(Buffer.allocUnsafeSlow(count).buffer);
    this.#pieces.takeInto(out);
    return out;
  }

  #readable(deadline: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.#reader.ready) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const finish = (error?: Error): void => {
        cancel();
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        if (error === undefined) resolve();
        else reject(error);
      };
      const onAbort = (): void =>
        finish(waitError(`receiving from ${this.peer} was aborted`, signal?.reason));
      const cancel = this.#reader.onReady(() => finish());
      const timer = setTimeout(
        () => finish(waitError(`no message from ${this.peer} in time`)),
        Math.max(0, deadline - performance.now()),
      );
      signal?.addEventListener('abort', onAbort);
      if (signal?.aborted === true) onAbort();
    });
  }

  async #write(message: Uint8Array): Promise<void> {
    const joined = message.byteLength <= JOINED_BYTES;
    const prefix = new Uint8Array(PREFIX_BYTES + (joined ? message.byteLength : 0));
    new DataView(prefix.buffer).setUint32(0, message.byteLength);
    if (joined) prefix.set(message, PREFIX_BYTES);
    await this.#push(prefix);
    if (joined) return;
    const slices = new Slices({ now: () => performance.now(), turn: setImmediate });
    for (let at = 0; at < message.byteLength; at += PART_BYTES) {
      // A reader that keeps up lets all parts pass in one turn.
      if (slices.isOver) await slices.next();
      await this.#push(message.subarray(at, at + PART_BYTES));
    }
  }

  async #push(bytes: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#stream.writeStatus !== 'writable') throw this.#writeError();
    try {
      this.#stream.send(bytes);
    } catch (cause) {
      throw this.#writeError(cause);
    }
    // `onDrain()` resolves at once when it is called again, and 'drain' means that part of the buffer was written.
    while (this.#stream.writeBufferLength > 0 || this.#stream.writableNeedsDrain) {
      if (this.#failure !== undefined) throw this.#failure;
      await this.#progress();
    }
    if (this.#stream.status === 'aborted' || this.#stream.status === 'reset') throw this.#writeError();
  }

  #progress(): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (error?: Error): void => {
        clearTimeout(timer);
        this.#stopWriting = undefined;
        this.#stream.removeEventListener('drain', onDrain);
        this.#stream.removeEventListener('idle', onDrain);
        this.#stream.removeEventListener('close', onClose);
        if (error === undefined) resolve();
        else reject(error);
      };
      const onDrain = (): void => finish();
      const onClose = (): void => finish(this.#writeError());
      const timer = setTimeout(() => {
        const error = waitError(`${this.peer} reads no data`);
        finish(error);
        this.abort(error);
      }, this.#limits.stallMs ?? meshLimits.stallMs);
      // A stream that is aborted here tells nobody while bytes are still queued.
      this.#stopWriting = onClose;
      this.#stream.addEventListener('drain', onDrain);
      this.#stream.addEventListener('idle', onDrain);
      this.#stream.addEventListener('close', onClose);
    });
  }

  #writeError(cause?: unknown): Error {
    if (this.#failure !== undefined) return this.#failure;
    return this.#writeClosed
      ? new QuorateError('MESH_CLOSED', `the channel to ${this.peer} was already closed on this side`, {
          cause,
        })
      : new QuorateError('MESH_RESET', `${this.peer} reset the channel`, {
          hint: 'The peer stopped, lost its connection, or refused us because a limit was reached.',
          cause,
        });
  }

  /** Bounds the time for which a peer keeps its half open after ours is closed. */
  #startLinger(): void {
    if (!this.#writeClosed || this.#ended || this.#receiving || this.#stream.status !== 'open') return;
    clearTimeout(this.#linger);
    this.#linger = setTimeout(
      () => {
        this.abort(waitError(`${this.peer} did not close its half of the channel`));
      },
      this.#refusal === undefined
        ? (this.#limits.lingerMs ?? meshLimits.lingerMs)
        : meshLimits.refusedLingerMs,
    );
  }
}

const waitError = (message: string, cause?: unknown): QuorateError =>
  new QuorateError('MESH_TIMEOUT', message, {
    hint: 'The peer may be overloaded, stopped or cut off.',
    cause,
  });
