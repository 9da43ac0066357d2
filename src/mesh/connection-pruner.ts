import type { Connection } from '@libp2p/interface';
import { QuorateError } from '../protocol/base/errors.ts';
import { Counts } from '../protocol/base/maps.ts';
import type { Rank } from '../protocol/base/rank.ts';
import type { Libp2pNode } from './libp2p-node.ts';
import { meshLimits } from './limits.ts';
import { networkOf } from './network.ts';
import { beyondShare, type Leaves, type Place, reserveOf, roomFor } from './places.ts';
import type { MeshStats } from './stats.ts';

/** Until connections that opened or closed at the same time are listed as such. */
const settleMs = 50;

/** Protocols that a connection carries without anybody's need of its peer: those of libp2p's own services. */
const upkeep = /^\/(?:ipfs\/(?:id|ping)\/|meshsub\/|floodsub\/|quorate\/kad\/)/;

/** On a connection that this node opened a stream of its peer is no use: a stranger could hold its place with one. */
const isIdle = ({ streams, direction }: Connection): boolean =>
  streams.every(
    (stream) => (direction === 'outbound' && stream.direction === 'inbound') || upkeep.test(stream.protocol),
  );

export interface PrunerOptions {
  max: number;
  /** Rank of a peer at this node. Without it peers that are kept are owners, and all others guests. */
  rankOf?: ((peer: string) => Rank) | undefined;
  stats: Pick<MeshStats, 'connectionsRefused' | 'connectionsClosed'>;
}

/**
 * Keeps the connections of a node below their limit, with places free as `places.ts` says: keys cost nothing, so an attacker could open
 * all of them, or have this node open them. A connection that finds no place stays for `meshLimits.fullMs`, in which its streams are
 * answered with `MESH_FULL`.
 */
export class ConnectionPruner {
  readonly #options: PrunerOptions;
  readonly #kept = new Counts();
  readonly #open = new Map<Connection, Place>();
  /** Those that have no place, the oldest first. */
  readonly #refused = new Map<Connection, QuorateError>();
  #refusedAt = Number.NEGATIVE_INFINITY;
  #ranked = Number.NEGATIVE_INFINITY;
  #isToMake = false;

  constructor(node: Libp2pNode, options: PrunerOptions) {
    this.#options = options;
    node.addEventListener('connection:open', ({ detail }) => {
      this.#add(detail);
      this.#make(detail);
      setTimeout(() => this.#make(), settleMs).unref();
    });
    node.addEventListener('connection:close', ({ detail }) => {
      this.#open.delete(detail);
      this.#refused.delete(detail);
    });
  }

  /** Connections that have a place, the most there may be, and whether one found none of late. */
  get taken(): { open: number; max: number; isFull: boolean } {
    const isFull = performance.now() - this.#refusedAt < meshLimits.fullToldMs;
    return { open: this.#open.size, max: this.#options.max, isFull };
  }

  /** Connections of this peer stay until the result is called as often. */
  keep(peer: string): () => void {
    this.#kept.add(peer, 1);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#kept.add(peer, -1);
    };
  }

  rankOf(peer: string): Rank {
    return this.#kept.of(peer) > 0 ? 'owner' : (this.#options.rankOf?.(peer) ?? 'guest');
  }

  /** Why streams of this connection are refused; undefined where it has a place. */
  refusalOf(connection: Connection): QuorateError | undefined {
    return this.#refused.get(connection);
  }

  #add(connection: Connection): void {
    const peer = connection.remotePeer.toString();
    this.#open.set(connection, {
      peer,
      rank: this.rankOf(peer),
      network: networkOf(connection.remoteAddr),
      inbound: connection.direction === 'inbound',
      since: performance.now(),
      isIdle: () => isIdle(connection),
    });
  }

  /** Those that may leave were in use: a stream that is negotiated for libp2p's own services counts as use. */
  #makeLater(): void {
    if (this.#isToMake) return;
    this.#isToMake = true;
    setTimeout(() => {
      this.#isToMake = false;
      this.#make();
    }, meshLimits.roomAgainMs).unref();
  }

  /** `newest`: a connection that was opened just now. */
  #make(newest?: Connection): void {
    const { max, rankOf } = this.#options;
    const visits = rankOf !== undefined;
    const beyond = visits && newest !== undefined ? beyondShare([...this.#open], newest, max) : undefined;
    if (beyond !== undefined) this.#leave(beyond);
    if (this.#open.size <= max - 2 * reserveOf(max)) return;
    const now = performance.now();
    if (now - this.#ranked > meshLimits.rankedMs) {
      this.#ranked = now;
      for (const place of this.#open.values()) place.rank = this.rankOf(place.peer);
    }
    for (;;) {
      const found = roomFor([...this.#open], { max, now, visits, newest });
      if (found === undefined) {
        if (this.#open.size > max - reserveOf(max)) this.#makeLater();
        return;
      }
      const place = this.#open.get(found.connection);
      const rank = this.rankOf(place?.peer ?? '');
      // A guest may have enrolled since.
      if (place !== undefined && place.rank !== rank) place.rank = rank;
      else this.#leave(found);
    }
  }

  #leave(found: Leaves<Connection>): void {
    const { stats } = this.#options;
    this.#open.delete(found.connection);
    if (found.kind === 'refuse') return this.#refuse(found.connection, found.says);
    stats.connectionsClosed += 1;
    found.connection.abort(new Error('others need the room'));
  }

  #refuse(connection: Connection, says: string): void {
    this.#options.stats.connectionsRefused += 1;
    this.#refusedAt = performance.now();
    this.#refused.set(
      connection,
      new QuorateError('MESH_FULL', says, {
        hint: 'Try again later. The owner of a controller or store gives it more with --connections.',
      }),
    );
    const [oldest] = this.#refused.keys();
    if (this.#refused.size > meshLimits.fullMax) oldest?.abort(new Error(says));
    setTimeout(() => connection.abort(new Error(says)), meshLimits.fullMs).unref();
  }
}
