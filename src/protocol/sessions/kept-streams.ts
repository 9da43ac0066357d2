import { codeOf } from '../base/errors.ts';
import { sessionLimits } from './limits.ts';
import type { Channel, Clock, Dial, KeptStream, ReceiveOptions } from './ports.ts';

/**
 * A dial that gives a released stream to the next caller for the same peer and protocol: to open one costs as much as five messages.
 * An unused one ends after `keptMs`, or when the peer ends it or says anything.
 */
export function keepStreams(
  dial: Dial,
  clock: Pick<Clock, 'closing' | 'onClosing'>,
  keptMs: number = sessionLimits.keptStreamMs,
): Dial {
  /** By peer and protocol, the one used last at the end. */
  const idle = new Map<string, KeptChannel[]>();
  clock.onClosing(() => {
    for (const channels of idle.values())
      for (const channel of channels) void channel.close().catch(() => {});
    idle.clear();
  });
  return async (peer, protocol, options) => {
    const key = `${protocol} ${peer.id}`;
    const found = options.fresh === true ? undefined : idle.get(key)?.pop();
    if (found !== undefined) return found.take();
    const channel = await dial(peer, protocol, options);
    if (peer.id === null) return channel;
    return new KeptChannel(channel, keptMs, {
      add(released) {
        const others = idle.get(key) ?? [];
        if (clock.closing || others.length >= sessionLimits.keptStreamsMax) return false;
        idle.set(key, [...others, released]);
        return true;
      },
      remove(one) {
        const left = (idle.get(key) ?? []).filter((other) => other !== one);
        if (left.length === 0) idle.delete(key);
        else idle.set(key, left);
      },
    });
  };
}

interface Idle {
  /** False where it is not kept. */
  add(channel: KeptChannel): boolean;
  remove(channel: KeptChannel): void;
}

class KeptChannel implements Channel {
  readonly #channel: Channel;
  readonly #idle: Idle;
  readonly #keptMs: number;
  #again = false;
  #isIdle = false;
  /** The read that waits for the end of the stream while nobody uses it. */
  #watch: Promise<Uint8Array | undefined> | undefined;

  constructor(channel: Channel, keptMs: number, idle: Idle) {
    this.#channel = channel;
    this.#keptMs = keptMs;
    this.#idle = idle;
  }

  get peer(): string {
    return this.#channel.peer;
  }

  get closed(): boolean {
    return this.#channel.closed;
  }

  get kept(): KeptStream {
    return { again: this.#again, release: () => this.#release() };
  }

  send(message: Uint8Array): Promise<void> {
    return this.#channel.send(message);
  }

  /** The first read of a further use may wait for `keptMs` longer. */
  async receive(options?: ReceiveOptions): Promise<Uint8Array | undefined> {
    const watch = this.#watch;
    this.#watch = undefined;
    if (watch === undefined) return this.#channel.receive(options);
    try {
      return await watch;
    } catch (error) {
      if (codeOf(error) !== 'MESH_TIMEOUT') throw error;
      return this.#channel.receive(options);
    }
  }

  close(): Promise<void> {
    this.#leave();
    return this.#channel.close();
  }

  abort(reason: Error): void {
    this.#leave();
    this.#channel.abort(reason);
  }

  take(): Channel {
    this.#isIdle = false;
    this.#again = true;
    return this;
  }

  #leave(): void {
    if (this.#isIdle) this.#idle.remove(this);
    this.#isIdle = false;
  }

  #release(): void {
    if (this.#isIdle) return;
    if (this.closed || !this.#idle.add(this)) return void this.#channel.close().catch(() => {});
    this.#isIdle = true;
    const ended = () => {
      if (this.#isIdle) void this.close().catch(() => {});
    };
    // One that was released before its first read is still watched.
    this.#watch ??= this.#channel.receive({ timeoutMs: this.#keptMs });
    this.#watch.then(ended, ended);
  }
}

/** Whether a conversation failed before its first answer because the stream was kept too long. No `error`: the peer ended it. */
export function isStale({ kept }: Channel, error: unknown): boolean {
  if (kept?.again !== true) return false;
  const code = error === undefined ? undefined : codeOf(error);
  return code === undefined || (code.startsWith('MESH_') && code !== 'MESH_TIMEOUT');
}
