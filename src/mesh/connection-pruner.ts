import type { Connection } from '@libp2p/interface';
import type { Libp2pNode } from './libp2p-node.ts';

/** ConnectionPruner is made before the last places are taken: what asks for one then is refused unheard. */
const spareShare = 1 / 16;
/** One address may hold this much of what there is before it has to give; an office behind one is known by its members. */
const addressShare = 1 / 8;

/** The part of a multiaddr that says from where: of IPv6 the /64, which is what one household has. */
function originOf({ remoteAddr }: Connection): string {
  const [, kind = '', host = ''] = remoteAddr.toString().split('/');
  if (kind !== 'ip6' || host.includes('.')) return `${kind} ${host}`;
  const [head = ''] = host.split('::');
  return `${kind} ${head.split(':').slice(0, 4).join(':')}`;
}

/**
 * Keys cost nothing, so somebody may open every connection there is, each with another one. When few are left, the address
 * with the most of those that nobody vouches for loses its oldest.
 */
export class ConnectionPruner {
  readonly #node: Libp2pNode;
  readonly #max: number;
  readonly #kept = new Map<string, number>();

  constructor(node: Libp2pNode, max: number) {
    this.#node = node;
    this.#max = max;
    node.addEventListener('connection:open', () => this.#make());
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
    const open = this.#node.getConnections().filter(({ status }) => status === 'open');
    if (open.length <= this.#max - Math.max(1, Math.floor(this.#max * spareShare))) return;
    const origins = new Map<string, Connection[]>();
    for (const connection of open) {
      if (connection.direction !== 'inbound' || this.#kept.has(connection.remotePeer.toString())) continue;
      const origin = originOf(connection);
      origins.set(origin, [...(origins.get(origin) ?? []), connection]);
    }
    const [greediest = []] = [...origins.values()].sort((a, b) => b.length - a.length);
    if (greediest.length <= this.#max * addressShare) return;
    const [oldest] = greediest.sort((a, b) => a.timeline.open - b.timeline.open);
    oldest?.abort(new Error('others need the room'));
  }
}
