import type { Connection } from '@libp2p/interface';
import { StreamChannel } from './channel.ts';
import { dialError } from './errors.ts';
import { meshLimits } from './limits.ts';
import type { Channel, Link, MeshStats, OpenOptions } from './types.ts';

const outboundStreamsMax = 256;

/** One libp2p connection. */
export class ConnectionLink implements Link {
  readonly #connection: Connection;
  readonly #stats: MeshStats;

  constructor(connection: Connection, stats: MeshStats) {
    this.#connection = connection;
    this.#stats = stats;
  }

  get peer(): string {
    return this.#connection.remotePeer.toString();
  }

  async open(
    protocol: string,
    { signal, timeoutMs = meshLimits.dialMs, maxMessageBytes }: OpenOptions,
  ): Promise<Channel> {
    const limit = AbortSignal.timeout(timeoutMs);
    try {
      const stream = await this.#connection.newStream(protocol, {
        signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
        runOnLimitedConnection: true,
        maxOutboundStreams: outboundStreamsMax,
      });
      const onTooLarge = () => {
        this.#stats.messagesTooLarge += 1;
      };
      return new StreamChannel(stream, this, { maxMessageBytes, onTooLarge });
    } catch (error) {
      throw dialError(error, this.peer, [], protocol);
    }
  }
}
