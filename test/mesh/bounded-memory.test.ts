import { Key } from 'interface-datastore';
import { describe, expect, it } from 'vitest';
import { BoundedDatastore, DHT_PREFIX } from '../../src/mesh/datastore.ts';
import { meshLimits } from '../../src/mesh/limits.ts';
import { MemberRegistry, memberLimits } from '../../src/mesh/member-registry.ts';
import { withLimits } from '../support/with-limits.ts';

const provider = (cid: string, peer: string): Key => new Key(`${DHT_PREFIX}/provider/${cid}/${peer}`);
const record = new Uint8Array(1);

const wide = { providersMax: 100, providersPerPeerMax: 100, providersPerCidMax: 100, peerRecordsMax: 100 };

function datastore(bounds?: Partial<typeof wide>, pinned = 'none') {
  if (bounds !== undefined) withLimits(meshLimits, { ...wide, ...bounds });
  let evicted = 0;
  const store = new BoundedDatastore(
    (peer) => peer === pinned,
    () => evicted++,
  );
  const keys = (prefix?: string) =>
    [...(store._allKeys(prefix === undefined ? {} : { prefix }) as Iterable<Key>)].map((key) =>
      key.toString().replace(`${DHT_PREFIX}/provider/`, ''),
    );
  return { store, keys, evicted: () => evicted };
}

describe('the records that a node keeps for others', () => {
  it('are found, counted once, and gone when they are deleted', () => {
    const { store, keys, evicted } = datastore({ providersMax: 2 });
    const [one, peer, other] = [provider('a', 'x'), new Key('/peers/x'), new Key('/other')];
    for (const key of [one, one, peer, other]) expect(store.put(key, record)).toBe(key);
    expect([store.has(one), store.get(one), evicted()]).toEqual([true, record, 0]);
    expect([keys(), keys('/peers'), keys(`${DHT_PREFIX}/provider/a`)]).toEqual([
      ['a/x', '/peers/x', '/other'],
      ['/peers/x'],
      ['a/x'],
    ]);
    expect([...(store._all({ prefix: '/peers' }) as Iterable<{ value: Uint8Array }>)]).toMatchObject([
      { value: record },
    ]);
    for (const key of [one, one, peer]) store.delete(key);
    expect([keys(), keys('/peers'), keys(`${DHT_PREFIX}/provider/a`)]).toEqual([['/other'], [], []]);
    expect(() => store.get(one)).toThrow(expect.objectContaining({ name: 'NotFoundError' }));
    for (const cid of ['b', 'c']) store.put(provider(cid, 'x'), record);
    expect(evicted()).toBe(0);
    store.put(provider('d', 'x'), record);
    expect(evicted()).toBe(1);
  });

  it('of a peer are its newest', () => {
    const { store, keys, evicted } = datastore({ providersPerPeerMax: 2 }, 'friend');
    for (const cid of ['a', 'b', 'a', 'c']) store.put(provider(cid, 'x'), record);
    expect([keys(), evicted()]).toEqual([['a/x', 'c/x'], 1]);
    for (const cid of ['a', 'b', 'c']) store.put(provider(cid, 'friend'), record);
    expect(evicted()).toBe(1);
  });

  it('of a CID are the newest, and those of connected peers', () => {
    const { store, keys, evicted } = datastore({ providersPerCidMax: 2 }, 'friend');
    for (const peer of ['friend', 'x', 'y']) store.put(provider('a', peer), record);
    expect([keys(), evicted()]).toEqual([['a/friend', 'a/y'], 1]);
  });

  it('are no more than there may be: the peer with the most loses its oldest', () => {
    const { store, keys, evicted } = datastore({ providersMax: 4 }, 'friend');
    for (const cid of ['a', 'b', 'c']) store.put(provider(cid, 'friend'), record);
    store.put(provider('a', 'x'), record);
    expect(evicted()).toBe(0);
    store.put(provider('b', 'x'), record);
    expect(keys().filter((key) => key.endsWith('x'))).toEqual(['b/x']);
    store.put(provider('a', 'y'), record);
    expect(keys().filter((key) => !key.endsWith('friend'))).toEqual(['a/y']);
    expect(evicted()).toBe(2);
  });

  it('of peers are the newest, and those of connected peers', () => {
    const { store, keys, evicted } = datastore({ peerRecordsMax: 2 }, 'friend');
    for (const peer of ['friend', 'x', 'y', 'z']) store.put(new Key(`/peers/${peer}`), record);
    expect([keys(), evicted()]).toEqual([['/peers/friend', '/peers/z'], 2]);
  });

  it('are 50,000 of providers, 2,000 of one of them, 128 of one CID, and 10,000 of peers by default', () => {
    const { store, keys, evicted } = datastore();
    for (let n = 0; n < 130; n++) store.put(provider('a', `peer ${n}`), record);
    expect(evicted()).toBe(2);
    for (let n = 0; n < 2_001; n++) store.put(provider(`cid ${n}`, 'greedy'), record);
    expect(evicted()).toBe(3);
    for (let n = 0; n < 10_001; n++) store.put(new Key(`/peers/${n}`), record);
    expect([evicted(), keys('/peers').length]).toEqual([4, 10_000]);
    for (let n = 0; n < 48_000; n++) store.put(provider(`cid ${n}`, `peer of ${n}`), record);
    expect([evicted(), keys().length]).toEqual([4 + 128, 10_000 + 50_000]);
  });
});

function registry(bounds?: Partial<typeof memberLimits>) {
  const all = { membersPerProjectMax: 100, projectsPerPeerMax: 100, entriesMax: 100 };
  if (bounds !== undefined) withLimits(memberLimits, { ...all, ...bounds });
  const made = new MemberRegistry();
  const put = (root: string, id: string, network = id, now = 0) =>
    made.put(root, { id, addrs: [`/ip4/192.0.2.1/tcp/1/p2p/${id}`] }, network, now);
  const others = (root: string, now = 0, max = 10) =>
    made
      .others(root, 'self', max, now)
      .map(({ id }) => id)
      .sort();
  return { made, put, others };
}

describe('the members that a node tells of', () => {
  it('are those that asked within three minutes, with their addresses', () => {
    const { made, put, others } = registry();
    put('p', 'a', 'a', 0);
    put('p', 'b', 'b', 1);
    put('p', 'self', 'self', 1);
    expect(others('p', 180_000)).toEqual(['a', 'b']);
    expect(others('p', 180_001)).toEqual(['b']);
    expect(made.others('p', 'self', 10, 180_001)).toEqual([
      { id: 'b', addrs: ['/ip4/192.0.2.1/tcp/1/p2p/b'] },
    ]);
    expect(others('other')).toEqual([]);
    expect([made.size, made.members('p'), made.members('other')]).toEqual([2, 2, 0]);
  });

  it('are of different networks first', () => {
    const { put, others } = registry();
    for (const id of ['a', 'b', 'c', 'd']) put('p', id, 'office');
    put('p', 'e');
    expect(others('p', 0, 2)).toContain('e');
    expect(others('p', 0, 2)).toHaveLength(2);
    // Of networks that are alike, any.
    for (const id of 'fghijklmno') put('q', id);
    expect(new Set(Array.from({ length: 100 }, () => others('q', 0, 1).join())).size).toBeGreaterThan(1);
  });

  it('of a project are the newest; the network with the most loses its oldest', () => {
    const { put, others } = registry({ membersPerProjectMax: 3 });
    put('p', 'a');
    for (const id of ['b', 'c']) put('p', id, 'office');
    expect(others('p')).toEqual(['a', 'b', 'c']);
    put('p', 'd');
    expect(others('p')).toEqual(['a', 'c', 'd']);
  });

  it('are in so many projects, of which the oldest is left', () => {
    const { made, put } = registry({ projectsPerPeerMax: 2 });
    for (const root of ['p', 'q']) put(root, 'a');
    put('q', 'a');
    expect(made.members('p')).toBe(1);
    put('r', 'a');
    expect(['p', 'q', 'r'].map((root) => made.members(root))).toEqual([0, 1, 1]);
  });

  it('are so many in all; the peer in the most projects leaves the oldest, of equals the first one', () => {
    const { made, put } = registry({ entriesMax: 4 });
    for (const [root, id] of Object.entries({ p: 'a', q: 'b', r: 'c', s: 'c' })) put(root, id);
    expect(made.size).toBe(4);
    put('t', 'd');
    expect([made.size, made.members('r'), made.members('s')]).toEqual([4, 0, 1]);
    put('u', 'e');
    expect([made.size, made.members('p'), made.members('q')]).toEqual([4, 0, 1]);
  });

  it('are 500 of a project, in 32 projects each, and 20,000 in all by default', () => {
    const { made, put } = registry();
    for (let n = 0; n < 501; n++) put('p', `peer ${n}`, 'one');
    expect(made.size).toBe(500);
    for (let n = 0; n < 33; n++) put(`project ${n}`, 'busy');
    expect(made.size).toBe(532);
    for (let n = 0; n < 20_000; n++) put(`project ${n}`, `member of ${n}`);
    expect(made.size).toBe(20_000);
  });
});
