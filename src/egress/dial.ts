import { connect, Socket, type SocketConnectOpts } from 'node:net';
import type { Bandwidth } from '../protocol/base/bandwidth.ts';
import { QuorateError } from '../protocol/base/errors.ts';
import { egressLimits } from './limits.ts';
import { printable, type Target } from './rules.ts';

type Done = (error?: Error | null) => void;

/** A TCP socket under a bandwidth limit. Reading pauses above the limit, so that TCP flow control slows the sender. */
class MeteredSocket extends Socket {
  readonly #bandwidth: Bandwidth;
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(bandwidth: Bandwidth) {
    super();
    this.#bandwidth = bandwidth;
    this.once('close', () => {
      for (const timer of this.#timers) clearTimeout(timer);
    });
  }

  #after(ms: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, ms);
    this.#timers.add(timer);
  }

  override push(chunk: Uint8Array | null, encoding?: BufferEncoding): boolean {
    const more = super.push(chunk, encoding);
    if (chunk === null || this.#bandwidth.down.charge(chunk.byteLength, performance.now()) === 0) return more;
    // Returning false stops reading from the kernel until the next `_read`, which is delayed.
    if (more) this.#after(0, () => this._read(0));
    return false;
  }

  override _read(size: number): void {
    const ms = this.#bandwidth.down.wait(performance.now());
    if (ms === 0) super._read(size);
    else this.#after(ms, () => this._read(size));
  }

  override _write(chunk: Uint8Array, encoding: BufferEncoding, done: Done): void {
    super._write(chunk, encoding, this.#paid(chunk.byteLength, done));
  }

  override _writev(chunks: { chunk: Uint8Array; encoding: BufferEncoding }[], done: Done): void {
    const bytes = chunks.reduce((sum, { chunk }) => sum + chunk.length, 0);
    super._writev?.(chunks, this.#paid(bytes, done));
  }

  #paid(bytes: number, done: Done): Done {
    return (error) => {
      const ms = this.#bandwidth.up.charge(bytes, performance.now());
      if (ms === 0) done(error);
      else this.#after(ms, () => done(error));
    };
  }
}

/** Connects under the operator's bandwidth limit, which is shared with all other users of `bandwidth`. */
export const meteredConnect =
  (bandwidth: Bandwidth): Connect =>
  (address, port) =>
    new MeteredSocket(bandwidth).connect({ host: address, port } satisfies SocketConnectOpts);

/** Connects to an IP address. Never to a name, which could resolve to another address than the checked one. */
export type Connect = (address: string, port: number) => Socket;

export const connectHere: Connect = (address, port) => connect({ host: address, port });

/** Connects to the first of the checked addresses that accepts. @throws EGRESS_UNREACHABLE, those of `via` */
export async function dial(
  addresses: readonly string[],
  { host, port }: Target,
  via: Connect,
): Promise<Socket> {
  let last: unknown;
  for (const address of addresses.slice(0, egressLimits.addressesMax)) {
    try {
      return await connected(via(address, port));
    } catch (error) {
      last = error;
    }
  }
  if (last instanceof QuorateError) throw last;
  const why = last instanceof Error ? `: ${printable(last.message)}` : '';
  throw new QuorateError('EGRESS_UNREACHABLE', `no connection to ${host}:${port}${why}`, {
    hint: 'Check the host, the port and the network.',
    cause: last,
  });
}

function connected(socket: Socket): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(new Error('timed out')), egressLimits.connectMs);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', reject);
      resolve(socket);
    });
    socket.once('error', reject);
    socket.once('close', () => {
      clearTimeout(timer);
      reject(new Error('connection closed'));
    });
  });
}
