import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection, Stream } from '@libp2p/interface';
import { QuorateError } from '../protocol/base/errors.ts';
import { addToSet, Counts, dropFrom } from '../protocol/base/maps.ts';
import { toUtf8 } from '../protocol/base/text.ts';
import { sessionLimits } from '../protocol/sessions/limits.ts';
import { errorMessage } from '../protocol/sessions/message-stream.ts';
import { StreamChannel, type Toll } from './channel.ts';
import type { ConnectionPruner } from './connection-pruner.ts';
import type { Libp2pNode } from './libp2p-node.ts';
import { meshLimits } from './limits.ts';
import { accountOf, ConnectionLink } from './link.ts';
import { Buckets, type Turns } from './token-buckets.ts';
import type { Channel, Link, MeshStats, ProtocolOptions } from './types.ts';

/**
 * Serves protocols. Limits the streams that one peer has open over all its connections and the rate at which it opens them, answers those
 * that it refuses with the limit, and closes each channel when its handler returns. Streams and messages are charged to the account of
 * their peer, or of the network of a guest.
 */
export class ProtocolServer {
  readonly #node: Libp2pNode;
  readonly #of: { stats: MeshStats; places: ConnectionPruner; turns: Turns };
  /** Streams that are open for their refusal. */
  readonly #refused = new Counts();

  constructor(node: Libp2pNode, of: { stats: MeshStats; places: ConnectionPruner; turns: Turns }) {
    this.#node = node;
    this.#of = of;
  }

  handle(protocol: string, handler: (channel: Channel) => Promise<void>, options: ProtocolOptions): void {
    const { maxInboundStreams, perPeerPerMinute = meshLimits.streamsPerMinute } = options;
    const rate = new Buckets(perPeerPerMinute / 60, perPeerPerMinute);
    const open = new Counts();
    const { guestsPerNetwork, guestsInAll } = meshLimits;
    const perNetwork = Math.max(guestsPerNetwork, 2 * maxInboundStreams);
    const guestsMax = options.guestStreams ?? Math.max(guestsInAll, perNetwork);
    const guests = new GuestStreams<Stream>({ perNetwork, inAll: guestsMax });
    const serve = (stream: Stream, connection: Connection): void => {
      // Its peer has reset it meanwhile: its end, at which it stops to count, would be waited for for ever.
      if (stream.status !== 'open') return;
      const link = new ConnectionLink(connection, this.#of.stats, this.#of.places);
      const { peer, network, rank } = link;
      const full = this.#of.places.refusalOf(connection);
      if (full !== undefined) return void this.#refuse(stream, link, options, full);
      const tooMany = (most: string) => {
        this.#of.stats.streamsRefusedByCount += 1;
        void this.#refuse(stream, link, options, limitReached('MESH_PEER_QUOTA', most));
      };
      if (open.of(peer) >= maxInboundStreams)
        return tooMany(`one peer may have ${maxInboundStreams} channels open on ${protocol}`);
      const isGuest = rank === 'guest';
      const room = isGuest ? guests.roomFor(network) : undefined;
      if (room?.isFull === true)
        return tooMany(
          `those who are no members may have ${perNetwork} channels open on ${protocol} from one network, and ${guestsMax} in all`,
        );
      const owes = rank !== 'owner' && this.#of.turns.owes(accountOf(link), performance.now());
      if (owes || !rate.take(peer, performance.now())) {
        this.#of.stats.streamsRefusedByRate += 1;
        const most = owes
          ? 'so much was asked of this node from here that it asks for a pause'
          : `one peer may open ${perPeerPerMinute} channels on ${protocol} a minute`;
        return void this.#refuse(stream, link, options, limitReached('MESH_PEER_RATE', most));
      }
      this.#charge(link, meshLimits.streamTurns);
      if (room?.ends !== undefined) {
        guests.delete(room.ends);
        room.ends.abort(limitReached('MESH_PEER_QUOTA', 'guests of other networks need the room'));
      }
      open.add(peer, 1);
      if (isGuest) guests.add(network, stream);
      stream.addEventListener('close', () => {
        open.add(peer, -1);
        guests.delete(stream);
      });
      void this.#serve(stream, link, handler, options);
    };
    // The protocol is registered synchronously; the promise resolves when the peer store has it too.
    void this.#node
      .handle(protocol, serve, {
        maxInboundStreams: maxInboundStreams + meshLimits.refusedPerPeerMax + 1,
        maxOutboundStreams: 256,
        runOnLimitedConnection: true,
      })
      .catch(() => {});
  }

  /** Takes turns from the account of a peer that is no owner; returns the milliseconds until it has turns again. */
  #charge(link: Link, turns: number): number {
    const { rank } = link;
    if (rank === 'owner') return 0;
    const factor = rank === 'guest' ? sessionLimits.strangerFactor : 1;
    return this.#of.turns.charge(accountOf(link), factor * turns, performance.now());
  }

  #tollOf(
    stream: Stream,
    link: Link,
    { turns, sentBytesPerTurn = sessionLimits.sentBytesPerTurn }: ProtocolOptions,
  ): Toll | undefined {
    if (turns === undefined) return undefined;
    const closed = new AbortController();
    stream.addEventListener('close', () => closed.abort());
    const charge = async (more: number): Promise<void> => {
      const ms = this.#charge(link, more);
      if (ms > 0) await sleep(ms, undefined, { signal: closed.signal }).catch(() => {});
    };
    return {
      admit: (bytes) => charge(turns + bytes / sessionLimits.receivedBytesPerTurn),
      charge,
      sent: (bytes) => void this.#charge(link, bytes / sentBytesPerTurn),
    };
  }

  /** Says why, and ends the stream within `meshLimits.refusedLingerMs`; nothing of it is read. */
  async #refuse(
    stream: Stream,
    link: Link,
    { maxMessageBytes, refusal = asMessage }: ProtocolOptions,
    error: QuorateError,
  ): Promise<void> {
    const { peer } = link;
    const { refusedPerPeerMax, refusedMax } = meshLimits;
    if (this.#refused.of(peer) >= refusedPerPeerMax || this.#refused.total >= refusedMax) {
      this.#of.stats.refusalsUnanswered += 1;
      stream.abort(error);
      return;
    }
    this.#refused.add(peer, 1);
    stream.addEventListener('close', () => this.#refused.add(peer, -1));
    const { refusedLingerMs: lingerMs } = meshLimits;
    const messages = refusal(error);
    const maxSendBytes = Math.max(...messages.map(({ length }) => length));
    const bounds = { maxMessageBytes, maxSendBytes, stallMs: lingerMs, lingerMs };
    const channel = new StreamChannel(stream, link, bounds);
    try {
      for (const message of messages) await channel.send(message);
      await channel.close();
    } catch {
      channel.abort(error);
    }
  }

  async #serve(
    stream: Stream,
    link: Link,
    handler: (channel: Channel) => Promise<void>,
    options: ProtocolOptions,
  ): Promise<void> {
    const { maxMessageBytes, maxSendBytes } = options;
    const channel = new StreamChannel(stream, link, {
      maxMessageBytes,
      maxSendBytes,
      toll: this.#tollOf(stream, link, options),
      onTooLarge: () => {
        this.#of.stats.messagesTooLarge += 1;
      },
    });
    try {
      await handler(channel);
      await channel.close();
    } catch (error) {
      this.#of.stats.handlerFailures += 1;
      channel.abort(error instanceof Error ? error : new Error(String(error)));
    }
  }
}

const asMessage = (error: QuorateError): Uint8Array[] => [toUtf8(JSON.stringify(errorMessage(error)))];

const limitReached = (code: 'MESH_PEER_QUOTA' | 'MESH_PEER_RATE', message: string): QuorateError =>
  new QuorateError(code, message, {
    hint: 'Several processes with one key share this limit. Try again in a moment, and close channels that are no longer used.',
  });

/**
 * Open streams of guests on one protocol, by network. Where all guests have as many as they may, the network with the most gives its
 * oldest for one of a network with fewer.
 */
export class GuestStreams<S> {
  readonly #perNetwork: number;
  readonly #inAll: number;
  /** Open streams by network, the oldest first. */
  readonly #of = new Map<string, Set<S>>();
  readonly #networks = new Map<S, string>();

  constructor({ perNetwork, inAll }: { perNetwork: number; inAll: number }) {
    this.#perNetwork = perNetwork;
    this.#inAll = inAll;
  }

  /** Whether there is room for one more of this network, and the stream that has to end for it. */
  roomFor(network: string): { isFull: boolean; ends?: S } {
    const own = this.#of.get(network)?.size ?? 0;
    if (own >= this.#perNetwork) return { isFull: true };
    if (this.#networks.size < this.#inAll) return { isFull: false };
    const most = [...this.#of.values()].reduce((a, b) => (b.size > a.size ? b : a), new Set<S>());
    const [ends] = most;
    return most.size > own + 1 && ends !== undefined ? { isFull: false, ends } : { isFull: true };
  }

  add(network: string, stream: S): void {
    addToSet(this.#of, network, stream);
    this.#networks.set(stream, network);
  }

  /** A stream that has ended, or was given up, counts no more. */
  delete(stream: S): void {
    dropFrom(this.#of, this.#networks.get(stream) ?? '', stream);
    this.#networks.delete(stream);
  }
}
