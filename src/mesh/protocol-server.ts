import type { Connection, Stream } from '@libp2p/interface';
import { QuorateError } from '../core/errors.ts';
import { StreamChannel } from './channel.ts';
import type { Libp2pNode } from './libp2p-node.ts';
import { meshLimits } from './limits.ts';
import { ConnectionLink } from './link.ts';
import { Buckets } from './token-buckets.ts';
import type { Channel, Link, MeshStats, ProtocolOptions } from './types.ts';

/**
 * Serves protocols. Limits the streams that one peer has open over all its connections (libp2p limits them per connection)
 * and the rate at which it opens them, and closes each channel when its handler returns.
 */
export class ProtocolServer {
  readonly #node: Libp2pNode;
  readonly #stats: MeshStats;

  constructor(node: Libp2pNode, stats: MeshStats) {
    this.#node = node;
    this.#stats = stats;
  }

  handle(protocol: string, handler: (channel: Channel) => Promise<void>, options: ProtocolOptions): void {
    const perMinute = options.perPeerPerMinute ?? meshLimits.streamsPerMinute;
    const rate = new Buckets(perMinute / 60, perMinute);
    const open = new Map<string, number>();
    const serve = (stream: Stream, connection: Connection): void => {
      const peer = connection.remotePeer.toString();
      const count = open.get(peer) ?? 0;
      if (count >= options.maxInboundStreams) {
        this.#stats.streamsRefusedByCount += 1;
        stream.abort(quota(`${peer} has ${count} open channels on ${protocol}`));
        return;
      }
      if (!rate.take(peer, performance.now())) {
        this.#stats.streamsRefusedByRate += 1;
        stream.abort(quota(`${peer} opens channels on ${protocol} too fast`));
        return;
      }
      open.set(peer, count + 1);
      stream.addEventListener('close', () => {
        const left = (open.get(peer) ?? 1) - 1;
        if (left > 0) open.set(peer, left);
        else open.delete(peer);
      });
      void this.#serve(stream, new ConnectionLink(connection, this.#stats), handler, options);
    };
    // The protocol is registered synchronously; the promise resolves when the peer store has it too.
    void this.#node
      .handle(protocol, serve, {
        maxInboundStreams: options.maxInboundStreams + 1,
        maxOutboundStreams: 256,
        runOnLimitedConnection: true,
      })
      .catch(() => {});
  }

  async #serve(
    stream: Stream,
    link: Link,
    handler: (channel: Channel) => Promise<void>,
    { maxMessageBytes, maxSendBytes = maxMessageBytes }: ProtocolOptions,
  ): Promise<void> {
    const channel = new StreamChannel(stream, link, {
      maxMessageBytes,
      maxSendBytes,
      onTooLarge: () => {
        this.#stats.messagesTooLarge += 1;
      },
    });
    try {
      await handler(channel);
      await channel.close();
    } catch (error) {
      this.#stats.handlerFailures += 1;
      channel.abort(error instanceof Error ? error : new Error(String(error)));
    }
  }
}

const quota = (message: string): QuorateError =>
  new QuorateError('MESH_PEER_QUOTA', message, {
    hint: 'Reuse open channels and close those no longer needed.',
  });
