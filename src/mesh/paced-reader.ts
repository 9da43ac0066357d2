import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface';
import { QuorateError } from '../core/errors.ts';

/** Unread bytes at which the peer is told to stop; the window then bounds what may still arrive. */
const HIGH_WATER_BYTES = 64 * 1024;
/** What keeping a chunk costs besides its bytes, so that one-byte frames count for what they are. */
const CHUNK_OVERHEAD_BYTES = 256;

export type ReadResult = Uint8Array | 'end' | undefined;

/**
 * Reads a stream at the pace of its caller. The library's own iterators and `lpStream` take everything the peer sends
 * and either buffer it without bound or reset the stream at 4 MiB; here the stream is paused, so that no window is
 * granted until somebody reads.
 */
export class PacedReader {
  readonly #stream: Stream;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #finished = false;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(stream: Stream) {
    this.#stream = stream;
    stream.addEventListener('message', this.#onMessage);
    stream.addEventListener('remoteCloseWrite', this.#onEnd);
    stream.addEventListener('close', this.#onClose);
    // The other side may have broken off or closed its half while the opening was still being recorded here.
    if (stream.status !== 'open') this.#failure = brokenOff();
    else if (stream.remoteWriteStatus === 'closed') this.#finished = true;
  }

  /** Something to take, or the end, or a failure, without waiting. */
  get ready(): boolean {
    return this.#chunks.length > 0 || this.#ended || this.#failure !== undefined;
  }

  /**
   * Next bytes if there are any, 'end' after the peer closed its half, undefined when one has to wait.
   * @throws MESH_RESET when the peer or the connection broke off; what had arrived before is given out first
   */
  take(): ReadResult {
    if (this.#chunks.length === 0) this.#resume();
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) {
      this.#bytes -= chunk.byteLength + CHUNK_OVERHEAD_BYTES;
      return chunk;
    }
    if (this.#ended) return 'end';
    if (this.#failure !== undefined) throw this.#failure;
    return undefined;
  }

  /** Calls back once when `take` would give something; the result cancels. */
  onReady(callback: () => void): () => void {
    this.#wake = callback;
    return () => {
      if (this.#wake === callback) this.#wake = undefined;
    };
  }

  get #ended(): boolean {
    return this.#finished && this.#stream.readBufferLength === 0;
  }

  readonly #onMessage = (event: StreamMessageEvent): void => {
    // A list is taken apart, not joined: that would copy all that arrives.
    for (const chunk of event.data instanceof Uint8Array ? [event.data] : event.data) {
      this.#chunks.push(chunk);
      this.#bytes += chunk.byteLength + CHUNK_OVERHEAD_BYTES;
    }
    // Not at once: when this runs inside resume(), the library would undo the pause right after us.
    if (this.#bytes >= HIGH_WATER_BYTES) queueMicrotask(this.#pause);
    this.#signal();
  };

  readonly #pause = (): void => {
    if (this.#bytes < HIGH_WATER_BYTES || this.#stream.readStatus !== 'readable') return;
    this.#stream.pause();
  };

  #resume(): void {
    if (this.#stream.readStatus !== 'paused') return;
    try {
      this.#stream.resume();
    } catch {
      // The window update has nowhere to go when the connection is gone; the bytes were handed over before it.
    }
  }

  readonly #onEnd = (): void => {
    this.#finished = true;
    this.#signal();
  };

  readonly #onClose = (event: StreamCloseEvent): void => {
    if (event.error !== undefined || !this.#finished) {
      this.#failure = brokenOff(event.error);
    }
    if (event.error !== undefined && event.local) this.#chunks = [];
    this.#signal();
  };

  #signal(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

const brokenOff = (cause?: unknown): QuorateError =>
  new QuorateError('MESH_RESET', 'the other side broke off the channel', {
    hint: 'The peer stopped, lost its connection, or refused us because a limit was reached.',
    cause,
  });
