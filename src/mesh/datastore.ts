import { NotFoundError } from '@libp2p/interface';
import { BaseDatastore } from 'datastore-core';
import { Key, type KeyQuery, type Pair, type Query } from 'interface-datastore';
import { addToSet, dropFrom } from '../protocol/base/maps.ts';
import { meshLimits } from './limits.ts';

export const DHT_PROTOCOL = '/quorate/kad/1';
export const DHT_PREFIX = '/quorate-dht';
const PROVIDERS = `${DHT_PREFIX}/provider/`;
const PEERS = '/peers/';

/**
 * Provider and peer records of other peers, in memory and bounded; the stores of libp2p have no bound. A peer over its own limit loses its
 * oldest records, and so does a CID: one with a provider for each key would make every lookup dear. Over the total limit the peer with the
 * most records loses its oldest. Records of `pinned` peers (this node and connected ones) stay.
 */
export class BoundedDatastore extends BaseDatastore {
  readonly #pinned: (peer: string) => boolean;
  readonly #onEvict: () => void;
  readonly #data = new Map<string, Uint8Array>();
  /** Insertion order is age: a record put again moves to the end. */
  readonly #peers = new Set<string>();
  readonly #providersOf = new Map<string, Set<string>>();
  readonly #heldBy = new Map<string, Set<string>>();
  #providers = 0;

  constructor(pinned: (peer: string) => boolean, onEvict: () => void) {
    super();
    this.#pinned = pinned;
    this.#onEvict = onEvict;
  }

  override put(key: Key, value: Uint8Array): Key {
    const name = key.toString();
    this.#remove(name);
    this.#data.set(name, compact(value));
    const provider = providerOf(name);
    if (provider !== undefined) this.#addProvider(name, provider);
    else if (name.startsWith(PEERS)) this.#addPeer(name);
    return key;
  }

  override get(key: Key): Uint8Array {
    const value = this.#data.get(key.toString());
    if (value === undefined) throw new NotFoundError();
    return value;
  }

  override has(key: Key): boolean {
    return this.#data.has(key.toString());
  }

  override delete(key: Key): void {
    this.#remove(key.toString());
  }

  override *_all(query: Query): Generator<Pair> {
    for (const key of this.#names(query.prefix)) {
      const value = this.#data.get(key);
      if (value !== undefined) yield { key: new Key(key, false), value };
    }
  }

  override *_allKeys(query: KeyQuery): Generator<Key> {
    for (const key of this.#names(query.prefix)) yield new Key(key, false);
  }

  /** An index for the providers of one CID, which each lookup by a peer needs. */
  #names(prefix: string | undefined): string[] {
    if (prefix?.startsWith(PROVIDERS)) return [...(this.#providersOf.get(prefix) ?? [])];
    if (prefix?.startsWith('/peers')) return [...this.#peers];
    return [...this.#data.keys()];
  }

  #addProvider(name: string, { cid, peer }: { cid: string; peer: string }): void {
    const ofCid = addToSet(this.#providersOf, cid, name);
    const held = addToSet(this.#heldBy, peer, name);
    this.#providers += 1;
    if (held.size > meshLimits.providersPerPeerMax && !this.#pinned(peer)) this.#evictFirst(held);
    if (ofCid.size > meshLimits.providersPerCidMax)
      this.#evictFirst(ofCid, (other) => !this.#pinned(providerOf(other)?.peer ?? ''));
    if (this.#providers <= meshLimits.providersMax) return;
    let largest = new Set<string>();
    for (const [holder, set] of this.#heldBy)
      if (!this.#pinned(holder) && set.size > largest.size) largest = set;
    this.#evictFirst(largest);
  }

  #addPeer(name: string): void {
    this.#peers.add(name);
    if (this.#peers.size > meshLimits.peerRecordsMax)
      this.#evictFirst(this.#peers, (one) => one !== name && !this.#pinned(one.slice(PEERS.length)));
  }

  #evictFirst(names: Set<string>, mayGo: (name: string) => boolean = () => true): void {
    const oldest = names.values().find(mayGo);
    if (oldest === undefined) return;
    this.#remove(oldest);
    this.#onEvict();
  }

  #remove(name: string): void {
    if (!this.#data.delete(name)) return;
    this.#peers.delete(name);
    const provider = providerOf(name);
    if (provider === undefined) return;
    this.#providers -= 1;
    dropFrom(this.#providersOf, provider.cid, name);
    dropFrom(this.#heldBy, provider.peer, name);
  }
}

/** A short record may be a view of the pool that Node makes small buffers from, 64 KB of which it would keep. */
const compact = (value: Uint8Array): Uint8Array =>
  value.byteLength < value.buffer.byteLength ? new Uint8Array(value) : value;

/** Splits `<prefix>/provider/<multihash>/<peer>`; `cid` is the whole key before the last slash, as in queries. */
function providerOf(name: string): { cid: string; peer: string } | undefined {
  if (!name.startsWith(PROVIDERS)) return undefined;
  const slash = name.lastIndexOf('/');
  return { cid: name.slice(0, slash), peer: name.slice(slash + 1) };
}
