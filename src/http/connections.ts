import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { clientOf } from '../protocol/base/client-address.ts';
import { addToSet, dropFrom } from '../protocol/base/maps.ts';
import { httpLimits } from './limits.ts';
import type { TrustedProxies } from './trusted-proxies.ts';

export interface ConnectionBounds {
  connectionsMax: number;
  connectionsPerAddressMax: number;
  /** Places that are kept free, as far as there are others on which nothing is being answered. Default: a part of all. */
  connectionsKeptFree?: number | undefined;
}

/**
 * Bounds the connections of a server, and those of one address. Once all but some places are taken, whoever connects gets that of a
 * connection on which nothing is being answered: of the address that has the most of these, the one that has waited longest; where there
 * is none, that of an answer which its client does not read as fast as it comes. So neither requests that are sent by halves nor answers
 * that are read slowly keep anybody out. Connections of a trusted proxy are of many clients, and not counted: their requests are.
 */
export function boundConnections(
  server: Server,
  { connectionsMax, connectionsPerAddressMax, connectionsKeptFree }: ConnectionBounds,
  proxies: TrustedProxies | undefined,
): void {
  server.maxConnections = connectionsMax;
  const keptFree = connectionsKeptFree ?? Math.ceil(connectionsMax * httpLimits.connectionsKeptFree);
  const open = new Map<string, number>();
  const waiting = new Waiting();
  const answered = new Waiting();
  let count = 0;
  server.on('connection', (socket) => {
    const isProxy = proxies?.has(socket.remoteAddress) === true;
    const client = clientOf(socket.remoteAddress);
    const mine = (open.get(client) ?? 0) + 1;
    open.set(client, mine);
    count++;
    socket.once('close', () => {
      count--;
      waiting.leave(socket);
      answered.leave(socket);
      if (open.get(client) === 1) open.delete(client);
      else open.set(client, (open.get(client) ?? 1) - 1);
    });
    if (isProxy) return;
    if (mine > connectionsPerAddressMax) {
      const own = waiting.longestOf(client);
      // Connections that somebody at the same address keeps open for nothing keep no others out.
      if (own === undefined) return void socket.destroy();
      own.destroy();
    } else if (count > connectionsMax - keptFree)
      (waiting.longest() ?? answered.longest(({ writableLength }) => writableLength > 0))?.destroy();
    waiting.enter(socket, client);
  });
  server.on('request', ({ socket }, response) => {
    const client = waiting.leave(socket);
    if (client === undefined) return;
    answered.enter(socket, client);
    response.once('close', () => {
      answered.leave(socket);
      if (!socket.destroyed) waiting.enter(socket, client);
    });
  });
}

/** Connections that wait for their client, by client. */
export class Waiting {
  readonly #clients = new Map<string, Set<Socket>>();
  readonly #of = new Map<Socket, string>();

  get size(): number {
    return this.#of.size;
  }

  enter(socket: Socket, client: string): void {
    addToSet(this.#clients, client, socket);
    this.#of.set(socket, client);
  }

  /** Its client; undefined for one that did not wait. */
  leave(socket: Socket): string | undefined {
    const client = this.#of.get(socket);
    if (client === undefined) return undefined;
    this.#of.delete(socket);
    dropFrom(this.#clients, client, socket);
    return client;
  }

  /** Of this client the one that waits longest, which does not wait any more then. */
  longestOf(client: string): Socket | undefined {
    const [socket] = this.#clients.get(client) ?? [];
    if (socket !== undefined) this.leave(socket);
    return socket;
  }

  /** Of the client with the most of them, or of such ones, the one that waits longest, which does not wait any more then. */
  longest(isSuch: (socket: Socket) => boolean = () => true): Socket | undefined {
    let most: Socket[] = [];
    for (const all of this.#clients.values()) {
      const mine = [...all].filter(isSuch);
      if (mine.length > most.length) most = mine;
    }
    const [socket] = most;
    if (socket !== undefined) this.leave(socket);
    return socket;
  }
}
