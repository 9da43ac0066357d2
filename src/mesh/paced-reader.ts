import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface';
import { QuorateError } from '../protocol/base/errors.ts';

/** Unread bytes at which the stream is paused; at most one window can still arrive after that. */
const HIGH_WATER_BYTES = 64 * 1024;
/** Memory of a chunk besides its bytes, so that frames of one byte count in full. */
const CHUNK_OVERHEAD_BYTES = 256;

/**
 * Reads a stream with backpressure: it is paused, and no window granted, until the caller takes bytes. libp2p's own ways buffer all that
 * arrives.
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
    // The peer may have reset the stream or closed its half before the listeners were added.
    if (stream.status !== 'open') this.#failure = brokenOff();
    else if (stream.remoteWriteStatus === 'closed') this.#finished = true;
  }

  /** True when `take` gives bytes, the end or a failure. */
  get ready(): boolean {
    return this.#chunks.length > 0 || this.#ended || this.#failure !== undefined;
  }

  /**
   * The next bytes, 'end' after the peer closed its half, undefined while there are none. @throws MESH_RESET after the bytes that had
   * arrived
   */
  take(): Uint8Array | 'end' | undefined {
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

  /** Calls back once `ready` is true. The result cancels the callback. */
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
    // A list stays in parts: joining would copy the bytes.
    for (const chunk of event.data instanceof Uint8Array ? [event.data] : event.data) {
      this.#chunks.push(chunk);
      this.#bytes += chunk.byteLength + CHUNK_OVERHEAD_BYTES;
    }
    // Deferred: inside resume() libp2p would undo the pause when this returns.
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
      // The connection is gone and the window update cannot be sent; the bytes were delivered before.
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
  new QuorateError('MESH_RESET', 'the peer reset the channel', {
    hint: 'The peer stopped, lost its connection, or refused us because a limit was reached.',
    cause,
  });
