import type { Connection } from '@libp2p/interface';
import type { Libp2pNode } from './libp2p-node.ts';

/** Fraction of the connections kept free: at the limit libp2p refuses a connection before it is identified. */
const spareShare = 1 / 16;
/** Fraction of the connections that one address may hold before some of them are closed. */
const addressShare = 1 / 8;
const settleMs = 50;

/** The network a connection comes from: an IPv4 address, or the /64 prefix of an IPv6 address, which one site has. */
function originOf({ remoteAddr }: Connection): string {
  const [, kind = '', host = ''] = remoteAddr.toString().split('/');
  if (kind !== 'ip6' || host.includes('.')) return `${kind} ${host}`;
  const [head = ''] = host.split('::');
  return `${kind} ${head.split(':').slice(0, 4).join(':')}`;
}

/** Protocols that a connection carries without anybody's need of its peer: those of libp2p's own services. */
const upkeep = /^\/(?:ipfs\/(?:id|ping)\/|meshsub\/|floodsub\/|quorate\/kad\/)/;

const isIdle = ({ streams }: Connection): boolean => streams.every(({ protocol }) => upkeep.test(protocol));

/**
 * Closes connections before the limit is reached. Keys cost nothing, so an attacker can open all connections of a node, each
 * under another PeerId, or have this node open them: its DHT dials the peers that it is told of. Of inbound connections whose peer
 * is not kept, the network with the most loses its oldest; where few are inbound, so it is with outbound ones that nothing but the
 * upkeep of the network uses.
 */
export class ConnectionPruner {
  readonly #node: Libp2pNode;
  readonly #max: number;
  readonly #kept = new Map<string, number>();
  /** Closed here, whenever the library lists them as closed: on a busy host that takes a while. */
  readonly #closed = new WeakSet<Connection>();

  constructor(node: Libp2pNode, max: number) {
    this.#node = node;
    this.#max = max;
    node.addEventListener('connection:open', () => {
      this.#make();
      // Once more when connections that opened or closed at the same time are listed as such.
      setTimeout(() => this.#make(), settleMs).unref();
    });
  }

  /** Connections of this peer stay until the result is called as often. */
  keep(peer: string): () => void {
    this.#kept.set(peer, (this.#kept.get(peer) ?? 0) + 1);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const left = (this.#kept.get(peer) ?? 1) - 1;
      if (left > 0) this.#kept.set(peer, left);
      else this.#kept.delete(peer);
    };
  }

  #make(): void {
    while (this.#closeOne());
  }

  /** Closes one connection, if there are too many; says whether it did. */
  #closeOne(): boolean {
    const open = this.#node
      .getConnections()
      .filter((connection) => connection.status === 'open' && !this.#closed.has(connection));
    if (open.length <= this.#max - Math.max(1, Math.floor(this.#max * spareShare))) return false;
    const free = open.filter(({ remotePeer }) => !this.#kept.has(remotePeer.toString()));
    const oldest =
      this.#oldestOf(free.filter(({ direction }) => direction === 'inbound')) ??
      this.#oldestOf(free.filter((connection) => connection.direction === 'outbound' && isIdle(connection)));
    if (oldest === undefined) return false;
    this.#closed.add(oldest);
    oldest.abort(new Error('others need the room'));
    return true;
  }
  /** The oldest one of the network with the most of them; undefined where that has no more than its share. */
  #oldestOf(connections: readonly Connection[]): Connection | undefined {
    const origins = new Map<string, Connection[]>();
    for (const connection of connections) {
      const origin = originOf(connection);
      origins.set(origin, [...(origins.get(origin) ?? []), connection]);
    }
    const [greediest = []] = [...origins.values()].sort((a, b) => b.length - a.length);
    if (greediest.length <= this.#max * addressShare) return undefined;
    return greediest.sort((a, b) => a.timeline.open - b.timeline.open)[0];
  }
}
