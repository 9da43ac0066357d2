import type { Connection } from '@libp2p/interface';
import type { Rank } from '../protocol/base/rank.ts';
import { StreamChannel } from './channel.ts';
import { dialError } from './errors.ts';
import { meshLimits } from './limits.ts';
import { networkOf } from './network.ts';
import type { Channel, Link, MeshStats, OpenOptions } from './types.ts';

/** The account that turns are taken from: that of a key, or of a network for guests, whose keys cost nothing. */
export const accountOf = ({ rank, network, peer }: Pick<Link, 'rank' | 'network' | 'peer'>): string =>
  rank === 'guest' ? network : peer;

export class ConnectionLink implements Link {
  readonly #connection: Connection;
  readonly #stats: MeshStats;
  readonly #ranks: { rankOf(peer: string): Rank };

  constructor(connection: Connection, stats: MeshStats, ranks: { rankOf(peer: string): Rank }) {
    this.#connection = connection;
    this.#stats = stats;
    this.#ranks = ranks;
  }

  get network(): string {
    return networkOf(this.#connection.remoteAddr);
  }

  get rank(): Rank {
    return this.#ranks.rankOf(this.peer);
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
        maxOutboundStreams: meshLimits.outboundStreamsMax,
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
