import { setTimeout as sleep } from 'node:timers/promises';
import type { GossipSub, TopicValidatorFn } from '@libp2p/gossipsub';
import type { Connection, IdentifyResult, PeerId } from '@libp2p/interface';
import { assert, codeOf, QuorateError } from '../protocol/base/errors.ts';
import { groupByPeer, parseAddress, parseCid, parseMultiaddr, parsePeer, withPeer } from './addresses.ts';
import { Announcements } from './announcements.ts';
import { ConnectionPruner } from './connection-pruner.ts';
import { DHT_PROTOCOL } from './datastore.ts';
import { DialBudget } from './dial-budget.ts';
import { addressError, dialError, tooLarge } from './errors.ts';
import { GOSSIP_BYTES_MAX } from './gossip.ts';
import { InboundGate } from './inbound-gate.ts';
import { chargeLibraries } from './libp2p/library-toll.ts';
import type { TcpGuards } from './libp2p/metered-tcp.ts';
import { connectionsMax, type Libp2pNode, startLibp2p } from './libp2p-node.ts';
import { meshLimits } from './limits.ts';
import { accountOf, ConnectionLink } from './link.ts';
import { PeerExchange } from './peer-exchange.ts';
import { ProjectDiscovery } from './project-discovery.ts';
import { ProtocolServer } from './protocol-server.ts';
import { Redialer } from './redialer.ts';
import { RememberedPeers } from './remembered-peers.ts';
import { type MeshStats, newStats } from './stats.ts';
import { Turns } from './token-buckets.ts';
import type {
  Channel,
  DialTarget,
  Link,
  MeshOptions,
  OpenOptions,
  PeerAddress,
  PeerEvent,
  ProtocolOptions,
  Validator,
  Verdict,
} from './types.ts';

const CLOSE_MS = 2_000;

export async function startMesh(options: MeshOptions): Promise<Mesh> {
  const bootstrap = groupByPeer(options.bootstrap.map(parseAddress));
  for (const address of [...options.listen, ...(options.announce ?? [])]) parseMultiaddr(address);
  const stats = newStats();
  const guards = { gate: new InboundGate(), dials: new DialBudget(options.bootstrap) };
  const ids = new Set(bootstrap.map((peer) => peer.id));
  const libp2p = await startLibp2p(options, ids, { stats, guards });
  return new Mesh(libp2p, options, bootstrap, { stats, guards });
}

export class Mesh {
  readonly id: string;
  /** For a second protocol stack (Bitswap) on the same node. */
  readonly libp2p: Libp2pNode;
  readonly #stats: MeshStats;
  readonly #guards: TcpGuards;
  readonly #turns = new Turns();
  readonly #topics: ReadonlySet<string>;
  readonly #subscribers = new Map<string, Set<(from: string, data: Uint8Array) => void>>();
  readonly #listeners = new Set<(event: PeerEvent) => void>();
  readonly #projects = new Map<ProjectDiscovery, string>();
  readonly #bootstrap: ReadonlySet<string>;
  readonly #peerExchange: PeerExchange;
  readonly #protocolServer: ProtocolServer;
  readonly #connectionPruner: ConnectionPruner;
  readonly #remembered: RememberedPeers;
  readonly #redialer: Redialer;
  readonly #announcements: Announcements;
  #closing: Promise<void> | undefined;

  constructor(
    libp2p: Libp2pNode,
    options: MeshOptions,
    bootstrap: PeerAddress[],
    { stats, guards }: { stats: MeshStats; guards: TcpGuards },
  ) {
    this.id = libp2p.peerId.toString();
    this.libp2p = libp2p;
    this.#stats = stats;
    this.#guards = guards;
    this.#announcements = new Announcements((cid, signal) => this.#provide(cid, signal));
    this.#topics = new Set(options.role === 'bootstrap' ? [] : options.topics);
    const { rankOf } = options;
    const places = new ConnectionPruner(libp2p, { max: connectionsMax(options), rankOf, stats });
    this.#connectionPruner = places;
    const turns = this.#turns;
    this.#protocolServer = new ProtocolServer(libp2p, { stats, places, turns });
    chargeLibraries(libp2p, { stats, turns, account: (connection) => accountOf(this.#link(connection)) });
    this.#remembered = new RememberedPeers(options.peersFile, () => {
      stats.peersFileFailures += 1;
    });
    libp2p.addEventListener('peer:connect', (event) => this.#onPeer(event.detail, 'connected'));
    libp2p.addEventListener('peer:disconnect', (event) => this.#onPeer(event.detail, 'disconnected'));
    libp2p.addEventListener('peer:identify', (event) => this.#onIdentify(event.detail));
    libp2p.services.pubsub?.addEventListener('message', ({ detail }) => {
      if (detail.type !== 'signed') return;
      stats.gossipAccepted += 1;
      const from = detail.from.toString();
      for (const handler of this.#subscribers.get(detail.topic) ?? []) handler(from, detail.data);
    });
    this.#bootstrap = new Set(bootstrap.map((peer) => peer.id));
    for (const peer of this.#bootstrap) this.keep(peer);
    const serves = (root: string) =>
      options.role === 'bootstrap' || [...this.#projects.values()].includes(root);
    this.#peerExchange = new PeerExchange(this, serves);
    const ports = {
      dial: (peer: PeerAddress) => this.#dial(peer),
      isConnected: (id: string) => this.#isConnected(id),
      neighbours: () => this.connected().filter((id) => !this.#bootstrap.has(id)).length,
      remembered: () => this.#remembered.list(),
    };
    const others = bootstrap.filter((peer) => peer.id !== this.id);
    this.#redialer = new Redialer(ports, others);
  }

  /** Excludes connections of this peer from pruning until the result is called. */
  keep(peer: string): () => void {
    return this.#connectionPruner.keep(peer);
  }

  /** Multiaddrs ending in `/p2p/<id>`, relayed ones included. */
  addresses(): string[] {
    return this.libp2p.getMultiaddrs().map((address) => address.toString());
  }

  /**
   * Gossips a message to the connected members; having none is no error, since members that connect later pull the backlog. The same
   * bytes again within two minutes are not sent. @throws MESH_MESSAGE_TOO_LARGE, MESH_ARGUMENT_INVALID
   */
  async publish(topic: string, data: Uint8Array): Promise<void> {
    this.#checkTopic(topic);
    if (data.byteLength > GOSSIP_BYTES_MAX)
      throw tooLarge(data.byteLength, GOSSIP_BYTES_MAX, 'a gossip message');
    await this.#pubsub.publish(topic, data);
  }

  /** `from` is the author, whose signature is checked, not the neighbour that forwarded the message. */
  subscribe(topic: string, handler: (from: string, data: Uint8Array) => void): () => void {
    this.#checkTopic(topic);
    const handlers = this.#subscribers.get(topic) ?? new Set();
    this.#subscribers.set(topic, handlers);
    if (handlers.size === 0) this.#pubsub.subscribe(topic);
    handlers.add(handler);
    return () => {
      if (!handlers.delete(handler) || handlers.size > 0 || this.#closing !== undefined) return;
      this.#pubsub.unsubscribe(topic);
    };
  }

  /**
   * Called before a message is delivered or forwarded. A rejection lowers the score of the neighbour that sent it. Runs one at a time per
   * neighbour: a slow validator slows the sender.
   */
  setValidator(topic: string, fn: Validator): void {
    this.#checkTopic(topic);
    this.#pubsub.topicValidators.set(topic, async (_neighbour, message) => {
      if (message.type !== 'signed' || message.data.byteLength > GOSSIP_BYTES_MAX)
        return this.#verdict('reject');
      return this.#verdict(await fn(message.from.toString(), message.data));
    });
  }

  /** Serves a protocol. The channel is closed when the handler returns and aborted when it throws. */
  handle(protocol: string, handler: (channel: Channel) => Promise<void>, options: ProtocolOptions): void {
    this.#protocolServer.handle(protocol, handler, options);
  }

  /**
   * Opens a channel to a process of the peer that speaks the protocol: over its connections, the newest first, or a new one.
   * @throws MESH_UNREACHABLE, MESH_TIMEOUT, MESH_PROTOCOL_UNKNOWN, MESH_PEER_QUOTA, MESH_ADDRESS_INVALID
   */
  async open(peer: string | DialTarget, protocol: string, options: OpenOptions): Promise<Channel> {
    const target = typeof peer === 'string' ? { id: peer, addrs: [] } : peer;
    const { signal, timeoutMs = meshLimits.dialMs, maxMessageBytes } = options;
    const limit = AbortSignal.timeout(timeoutMs);
    const until = signal === undefined ? limit : AbortSignal.any([signal, limit]);
    const within = { signal: until, maxMessageBytes };
    const known = target.id === null ? [] : this.#connections(target.id);
    let unknown: unknown;
    for (const connection of known) {
      try {
        return await this.#link(connection).open(protocol, within);
      } catch (error) {
        if (codeOf(error) !== 'MESH_PROTOCOL_UNKNOWN') throw error;
        unknown = error;
      }
    }
    // Another process of the same key may listen, beside those that dialled.
    const isDialled = known.some(({ direction, limits }) => direction === 'outbound' && limits === undefined);
    if (isDialled) throw unknown;
    const dialling = this.#dial(target, until, { protocol, force: known.length > 0 });
    const connection = await dialling.catch((error: unknown) => {
      throw unknown ?? error;
    });
    return this.#link(connection).open(protocol, within);
  }

  /** The open connections to a peer: direct ones before relayed ones, then the newest first. */
  links(peer: string): Link[] {
    return this.#connections(peer).map((connection) => this.#link(connection));
  }

  #link(connection: Connection): Link {
    return new ConnectionLink(connection, this.#stats, this.#connectionPruner);
  }

  /** Open connections, the preferred one first. */
  #connections(peer: string): Connection[] {
    return this.libp2p
      .getConnections(parsePeer(peer))
      .filter(({ status }) => status === 'open')
      .sort((a, b) => {
        const byKind = Number(a.limits !== undefined) - Number(b.limits !== undefined);
        return byKind || b.timeline.open - a.timeline.open;
      });
  }

  /** Dials the addresses of one peer. Returns its PeerId. @throws MESH_UNREACHABLE, MESH_TIMEOUT, MESH_ADDRESS_INVALID */
  async connect(addrs: string[]): Promise<string> {
    const [peer, ...others] = groupByPeer(addrs.map(parseAddress));
    if (peer === undefined || others.length > 0) throw addressError(addrs.join(', ') || '(none)');
    await this.#dial(peer);
    return peer.id;
  }

  connected(): string[] {
    return this.libp2p.getPeers().map((peer) => peer.toString());
  }

  onPeer(listener: (event: PeerEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Announces a CID in the DHT, once until `unprovide`; the DHT renews it while the mesh is open. One CID a second is announced, and more
   * only while many wait. @throws MESH_NOT_ANNOUNCED when no peer took the record, MESH_TIMEOUT
   */
  provide(cid: string): Promise<void> {
    return this.#announcements.of(cid);
  }

  /** Stops announcing it. Records at peers stay until they expire. */
  async unprovide(cid: string): Promise<void> {
    this.#announcements.forget(cid);
    await this.libp2p.services.dht.cancelReprovide(parseCid(cid));
  }

  async *findProviders(
    cid: string,
    options: { signal: AbortSignal; max: number },
  ): AsyncIterable<PeerAddress> {
    const signal = AbortSignal.any([options.signal, AbortSignal.timeout(meshLimits.lookupMs)]);
    const seen = new Set([this.id]);
    try {
      for await (const provider of this.libp2p.contentRouting.findProviders(parseCid(cid), { signal })) {
        const id = provider.id.toString();
        if (seen.has(id)) continue;
        seen.add(id);
        yield { id, addrs: provider.multiaddrs.map((address) => address.toString()) };
        if (seen.size > options.max) return;
      }
    } catch (error) {
      // At the timeout the peers found so far are the answer.
      if (!signal.aborted) throw dialError(error, `providers of ${cid}`, []);
    }
  }

  /** Addresses of a peer, from the peer store or the DHT. @throws MESH_PEER_UNKNOWN, MESH_TIMEOUT */
  async findPeer(id: string, options: { signal: AbortSignal }): Promise<string[]> {
    const peer = parsePeer(id);
    const signal = AbortSignal.any([options.signal, AbortSignal.timeout(meshLimits.lookupMs)]);
    try {
      const open = this.libp2p.getConnections(peer).map((connection) => connection.remoteAddr);
      const record = await this.libp2p.peerStore.get(peer).catch(() => undefined);
      const known = record?.addresses.map(({ multiaddr }) => multiaddr) ?? [];
      const found =
        known.length > 0 ? known : (await this.libp2p.peerRouting.findPeer(peer, { signal })).multiaddrs;
      const addrs = found.length > 0 ? found : open;
      if (addrs.length > 0) return addrs.map((address) => address.toString());
    } catch {
      if (signal.aborted) throw dialError(signal.reason, id, []);
    }
    throw new QuorateError('MESH_PEER_UNKNOWN', `no address of ${id} found`, {
      hint: 'The peer may be offline, or on another network.',
    });
  }

  /** Announces this node as a member of the project and connects to others. Call the result to leave. */
  joinProject(root: string): () => void {
    const loop = new ProjectDiscovery(root, {
      bootstrap: () => this.connected().filter((id) => this.#bootstrap.has(id)),
      ask: (peer, project, signal) => this.#peerExchange.ask(peer, project, signal),
      provide: (cid, signal) => this.#provide(cid, signal),
      findProviders: (cid, options) => this.findProviders(cid, options),
      dial: (peer) => this.#dial(peer),
      isConnected: (id) => this.#isConnected(id),
    });
    this.#projects.set(loop, root);
    return () => {
      this.#projects.delete(loop);
      loop.close();
    };
  }

  /** Takes turns from the account of a peer or network; returns the milliseconds until it has turns again. */
  charge(account: string, turns: number): number {
    return this.#turns.charge(account, turns, performance.now());
  }

  stats(): Readonly<MeshStats> {
    const { gate, dials } = this.#guards;
    const connectionsRefused = this.#stats.connectionsRefused + gate.refused;
    return { ...this.#stats, connectionsRefused, dialsRefused: dials.refused };
  }

  /** Connections that have a place, the most there may be, those refused since the start, and whether one was of late for want of room. */
  connections(): { open: number; max: number; refused: number; isFull: boolean } {
    return { ...this.#connectionPruner.taken, refused: this.stats().connectionsRefused };
  }

  /** Closes all connections and timers. Resolves within about two seconds. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#announcements.close();
    this.#redialer.close();
    this.#guards.gate.close();
    for (const project of this.#projects.keys()) project.close();
    await this.#remembered.close();
    const stopped = new AbortController();
    const late = sleep(CLOSE_MS, undefined, { signal: stopped.signal }).catch(() => {});
    await Promise.race([this.libp2p.stop(), late]).finally(() => stopped.abort());
  }

  /** The connection to use, or a new one. `force`: a new one in any case. */
  async #dial(
    peer: DialTarget,
    signal: AbortSignal = AbortSignal.timeout(meshLimits.dialMs),
    { protocol, force = false }: { protocol?: string; force?: boolean } = {},
  ): Promise<Connection> {
    const { id: name } = peer;
    const id = name === null ? null : parsePeer(name);
    const plain = peer.addrs.map(parseMultiaddr);
    const addrs = name === null ? plain : plain.map((address) => withPeer(address, name));
    try {
      if (id === null || name === null) return await this.libp2p.dial(addrs, { signal });
      const [best] = force ? [] : this.#connections(name);
      return best ?? (await this.libp2p.dial(addrs.length > 0 ? addrs : id, { signal, force }));
    } catch (error) {
      throw dialError(signal.aborted ? signal.reason : error, name ?? 'anybody', peer.addrs, protocol);
    }
  }

  /** Fails when no peer took the record; `dht.provide` does not, for example while its routing table is empty. */
  async #provide(cid: string, signal: AbortSignal): Promise<void> {
    let taken = 0;
    try {
      for await (const event of this.libp2p.services.dht.provide(parseCid(cid), { signal })) {
        if (event.name === 'PEER_RESPONSE' && event.messageName === 'ADD_PROVIDER') taken += 1;
      }
    } catch (error) {
      throw dialError(signal.aborted ? signal.reason : error, `the DHT for ${cid}`, []);
    }
    if (taken > 0) return;
    throw new QuorateError('MESH_NOT_ANNOUNCED', `no peer took the record for ${cid}`, {
      hint: 'Try again once connected to peers.',
    });
  }

  get #pubsub(): GossipSub {
    const { pubsub } = this.libp2p.services;
    assert(pubsub !== undefined, 'a bootstrap node has no topics');
    return pubsub;
  }

  #isConnected(id: string): boolean {
    return id === this.id || this.libp2p.getConnections(parsePeer(id)).length > 0;
  }

  #verdict(verdict: Verdict): Awaited<ReturnType<TopicValidatorFn>> {
    if (verdict === 'reject') this.#stats.gossipRejected += 1;
    if (verdict === 'ignore') this.#stats.gossipIgnored += 1;
    return verdict as Awaited<ReturnType<TopicValidatorFn>>;
  }

  #checkTopic(topic: string): void {
    if (this.#topics.has(topic)) return;
    throw new QuorateError('MESH_ARGUMENT_INVALID', `this node was not opened for the topic ${topic}`, {
      hint: 'Name every topic when the mesh is opened.',
    });
  }

  #onPeer(peer: PeerId, kind: PeerEvent['kind']): void {
    const event = { peer: peer.toString(), kind };
    if (kind === 'disconnected') this.#redialer.onDisconnected(event.peer);
    for (const project of this.#projects.keys()) project.hurry();
    for (const listener of this.#listeners) listener(event);
  }

  /** Remembers a peer once identify has given its listening addresses and shown that it speaks our DHT protocol. */
  #onIdentify({ peerId, protocols, listenAddrs, connection }: IdentifyResult): void {
    if (!protocols.includes(DHT_PROTOCOL)) return;
    const id = peerId.toString();
    const dialled = connection.direction === 'outbound' && connection.limits === undefined;
    const own = dialled ? [connection.remoteAddr] : [];
    const addrs = [...own, ...listenAddrs].map((address) => withPeer(address, id).toString());
    this.#remembered.remember(id, [...new Set(addrs)], dialled, Date.now());
  }
}
