import { z } from 'zod';
import { toUtf8 } from '../protocol/base/text.ts';
import { meteredBounds } from '../protocol/wire/bounds.ts';
import { isDiallable } from './addresses.ts';
import { meshLimits } from './limits.ts';
import { MemberRegistry } from './member-registry.ts';
import type { Channel, OpenOptions, PeerAddress, ProtocolOptions } from './types.ts';

export const PEER_EXCHANGE_PROTOCOL = '/quorate/peer-exchange/1';
const REPLY_BYTES_MAX = 64 * 1024;
const PEERS_MAX = 2 * meshLimits.projectPeers;
const WAIT_MS = 5_000;

const Addresses = z.array(z.string().max(512)).max(meshLimits.rememberedAddrsMax);
const Id = z.string().min(1).max(128);
const Request = z.object({ root: Id, addrs: Addresses });
const Reply = z.object({ peers: z.array(z.object({ id: Id, addrs: Addresses })).max(PEERS_MAX) });

export interface ExchangeMesh {
  handle(protocol: string, handler: (channel: Channel) => Promise<void>, options: ProtocolOptions): void;
  open(peer: string, protocol: string, options: OpenOptions): Promise<Channel>;
  addresses(): string[];
}

/**
 * The protocol `/quorate/peer-exchange/1`: a member sends its addresses and a project, and gets other members of the project, in one
 * round trip.
 */
export class PeerExchange {
  readonly #mesh: ExchangeMesh;
  readonly #serves: (root: string) => boolean;
  readonly #registry = new MemberRegistry();

  /** `serves`: whether members of a project are told. A bootstrap node serves all projects, another node its own. */
  constructor(mesh: ExchangeMesh, serves: (root: string) => boolean) {
    this.#mesh = mesh;
    this.#serves = serves;
    mesh.handle(PEER_EXCHANGE_PROTOCOL, (channel) => this.#answer(channel), {
      ...meteredBounds('peer-exchange'),
      maxSendBytes: REPLY_BYTES_MAX,
    });
  }

  /** Other members, as the peer says: at most `PEERS_MAX`, each with an id and addresses that can be dialled. */
  async ask(peer: string, root: string, signal: AbortSignal): Promise<PeerAddress[]> {
    const channel = await this.#mesh.open(peer, PEER_EXCHANGE_PROTOCOL, {
      signal,
      maxMessageBytes: REPLY_BYTES_MAX,
    });
    try {
      const addrs = this.#mesh.addresses().slice(0, meshLimits.rememberedAddrsMax);
      await channel.send(encode({ root, addrs }));
      const reply = await channel.receive({ signal, timeoutMs: WAIT_MS });
      if (reply === undefined) return [];
      await channel.close();
      return Reply.parse(decode(reply)).peers.filter(isDiallable);
    } catch (error) {
      channel.abort(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }

  async #answer(channel: Channel): Promise<void> {
    const message = await channel.receive({ timeoutMs: WAIT_MS });
    if (message === undefined) return;
    const { root, addrs } = Request.parse(decode(message));
    const now = performance.now();
    let peers: PeerAddress[] = [];
    if (this.#serves(root)) {
      peers = this.#registry.others(root, channel.peer, PEERS_MAX, now);
      this.#registry.put(root, { id: channel.peer, addrs }, channel.link.network, now);
    }
    await channel.send(encode({ peers: fitting(peers) }));
  }
}

/** The peers that fit into `REPLY_BYTES_MAX`. */
function fitting(peers: PeerAddress[]): PeerAddress[] {
  let bytes = 0;
  return peers.filter((peer) => {
    bytes += JSON.stringify(peer).length + 1;
    return bytes < REPLY_BYTES_MAX - 100;
  });
}

const encode = (value: unknown): Uint8Array => toUtf8(JSON.stringify(value));
const decode = (bytes: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(bytes));
