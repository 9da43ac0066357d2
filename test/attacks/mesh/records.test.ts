import { generateKeyPair, publicKeyToProtobuf } from '@libp2p/crypto/keys';
import { Key } from 'interface-datastore';
import { describe, expect, test } from 'vitest';
import { BoundedDatastore, DHT_PREFIX } from '../../../src/mesh/datastore.ts';
import type { Mesh } from '../../../src/mesh/index.ts';
import { meshLimits } from '../../../src/mesh/limits.ts';
import { MemberRegistry, memberLimits } from '../../../src/mesh/member-registry.ts';
import { type PeerOrder, RememberedPeers } from '../../../src/mesh/remembered-peers.ts';
import { node, soon, until } from '../../mesh/harness.ts';
import { withLimits } from '../../support/with-limits.ts';
import { connect, type Plain, plain } from './plain.ts';

type RecordBounds = Record<
  'providersMax' | 'providersPerPeerMax' | 'providersPerCidMax' | 'peerRecordsMax',
  number
>;

describe('an attacker has a node keep values for it (CVE-2026-45783)', () => {
  /** A record that is valid by the library's rules: somebody's public key. Gives what the victim answered. */
  async function put(victim: Mesh | Plain, victimId: string): Promise<string[]> {
    const attacker = await plain();
    await connect(attacker, victim);
    const { publicKey } = await generateKeyPair('Ed25519');
    const prefix = new TextEncoder().encode('/pk/');
    const digest = publicKey.toMultihash().bytes;
    const key = new Uint8Array(prefix.byteLength + digest.byteLength);
    key.set(prefix);
    key.set(digest, prefix.byteLength);
    const answers: string[] = [];
    await until('the attacker has the victim in its table', async () => {
      for await (const event of attacker.services.dht.put(key, publicKeyToProtobuf(publicKey), {
        signal: soon(),
      })) {
        if (event.name === 'PEER_RESPONSE' && event.messageName === 'PUT_VALUE') answers.push('kept');
        if (event.name === 'QUERY_ERROR' && event.from.toString() === victimId) answers.push('refused');
      }
      return answers.length > 0;
    });
    return answers;
  }

  test('it is refused', async () => {
    const victim = await node();
    expect(await put(victim, victim.id)).toEqual(['refused']);
  });

  test('control: by default the record is kept', async () => {
    const victim = await plain();
    expect(await put(victim, victim.peerId.toString())).toEqual(['kept']);
  });
});

describe('an attacker announces itself for everything', () => {
  const provider = (cid: string, peer: string): Key => new Key(`${DHT_PREFIX}/provider/${cid}/${peer}`);

  function flooded(bounds: RecordBounds): { total: number; honest: number } {
    withLimits(meshLimits, bounds);
    const store = new BoundedDatastore(
      () => false,
      () => {},
    );
    for (let i = 0; i < 20; i++) store.put(provider(`honest${i}`, 'honest'), new Uint8Array(8));
    for (let sybil = 0; sybil < 20; sybil++) {
      for (let i = 0; i < 200; i++) store.put(provider(`cid${i}`, `sybil${sybil}`), new Uint8Array(8));
    }
    const keys = [...(store._allKeys({}) as Iterable<Key>)].map((key) => key.toString());
    return { total: keys.length, honest: keys.filter((key) => key.endsWith('/honest')).length };
  }

  test('the total is bounded and nobody else’s records are lost', () => {
    const kept = flooded({
      providersMax: 1_000,
      providersPerPeerMax: 100,
      providersPerCidMax: 1e9,
      peerRecordsMax: 100,
    });
    expect(kept).toEqual({ total: 1_000, honest: 20 });
  });

  test('control: without bounds all of it is kept', () => {
    const kept = flooded({
      providersMax: 1e9,
      providersPerPeerMax: 1e9,
      providersPerCidMax: 1e9,
      peerRecordsMax: 1e9,
    });
    expect(kept.total).toBe(4_020);
  });

  /** Records of one CID that a lookup reads, and whether that of a connected peer is among them. */
  function ofOneCid(providersPerCidMax: number): { read: number; honest: boolean } {
    withLimits(meshLimits, {
      providersMax: 1e9,
      providersPerPeerMax: 100,
      providersPerCidMax,
      peerRecordsMax: 100,
    });
    const store = new BoundedDatastore(
      (peer) => peer === 'honest',
      () => {},
    );
    store.put(provider('cid', 'honest'), new Uint8Array(8));
    for (let sybil = 0; sybil < 5_000; sybil++)
      store.put(provider('cid', `sybil${sybil}`), new Uint8Array(8));
    const read = [...(store._allKeys({ prefix: `${DHT_PREFIX}/provider/cid` }) as Iterable<Key>)].map(String);
    return { read: read.length, honest: read.some((key) => key.endsWith('/honest')) };
  }

  test('a CID has a bounded number of providers, connected ones among them', () => {
    expect(ofOneCid(128)).toEqual({ read: 128, honest: true });
  });

  test('control: without that bound each lookup reads all that attackers announced', () => {
    expect(ofOneCid(1e9)).toEqual({ read: 5_001, honest: true });
  });

  test('the records of connected peers stay when strangers’ peer records flood in', () => {
    withLimits(meshLimits, {
      providersMax: 10,
      providersPerPeerMax: 10,
      providersPerCidMax: 10,
      peerRecordsMax: 50,
    });
    const flood = (pinned: string): boolean => {
      const store = new BoundedDatastore(
        (peer) => peer === pinned,
        () => {},
      );
      store.put(new Key('/peers/friend'), new Uint8Array(1));
      for (let i = 0; i < 500; i++) store.put(new Key(`/peers/stranger${i}`), new Uint8Array(1));
      return store.has(new Key('/peers/friend'));
    };
    expect(flood('friend')).toBe(true);
    // Control: not pinned, it is gone.
    expect(flood('nobody')).toBe(false);
  });

  test('a record keeps nothing of the buffer that it is a view of', () => {
    const store = new BoundedDatastore(
      () => false,
      () => {},
    );
    const key = new Key('/peers/stranger');
    store.put(key, Buffer.alloc(65_536, 7).subarray(100, 200));
    expect(store.get(key)).toEqual(new Uint8Array(100).fill(7));
    expect(store.get(key).buffer.byteLength).toBe(100);
  });
});

describe('an attacker with many identities wants to be all a node remembers', () => {
  function survivors(order?: PeerOrder): number {
    const peers = new RememberedPeers(undefined, () => {}, order);
    for (let i = 0; i < 20; i++) peers.remember(`honest${i}`, ['/ip4/127.0.0.1/tcp/1'], true, i);
    for (let i = 0; i < 1_000; i++) {
      peers.remember(`sybil${i}`, ['/ip4/127.0.0.1/tcp/2'], false, 1_000 + i);
    }
    void peers.close();
    return peers.list().filter((peer) => peer.id.startsWith('honest')).length;
  }

  test('those we reached ourselves are kept before those that came to us', () => {
    expect(survivors()).toBe(20);
  });

  test('control: where both count alike the newest displace all', () => {
    expect(survivors((a, b) => b.seen - a.seen)).toBe(0);
  });
});

describe('an attacker fills the list of who is in which project', () => {
  const member = (id: string) => ({ id, addrs: ['/ip4/127.0.0.1/tcp/1'] });

  /** Made-up projects and made-up members; how many entries there are then and whether a small real project is whole. */
  function flooded(bounds: typeof memberLimits): { entries: number; whole: boolean } {
    withLimits(memberLimits, bounds);
    const registry = new MemberRegistry();
    for (const id of ['a', 'b', 'c']) registry.put('real', member(id), id, 0);
    for (let sybil = 0; sybil < 20; sybil++) {
      for (let i = 0; i < 100; i++) registry.put(`fake${i}`, member(`sybil${sybil}`), 'fake', 1);
    }
    return { entries: registry.size, whole: registry.others('real', 'x', 10, 2).length === 3 };
  }

  test('it is bounded and the real project stays whole', () => {
    expect(flooded({ membersPerProjectMax: 50, projectsPerPeerMax: 8, entriesMax: 100 })).toEqual({
      entries: 100,
      whole: true,
    });
  });

  test('control: without bounds all of it is kept', () => {
    const none = { membersPerProjectMax: 1e9, projectsPerPeerMax: 1e9, entriesMax: 1e9 };
    expect(flooded(none).entries).toBe(2_003);
  });

  /** Members of a real project that are told, where many keys say they are members too. */
  function told(networkOf: (sybil: number) => string): number {
    withLimits(memberLimits, { membersPerProjectMax: 50, projectsPerPeerMax: 8, entriesMax: 1_000 });
    const registry = new MemberRegistry();
    for (const id of ['a', 'b', 'c']) registry.put('real', member(id), id, 0);
    for (let sybil = 0; sybil < 200; sybil++)
      registry.put('real', member(`sybil${sybil}`), networkOf(sybil), 1);
    return registry.others('real', 'x', 10, 2).filter(({ id }) => !id.startsWith('sybil')).length;
  }

  test('keys behind one address displace no member of others in their project, and members are told first', () => {
    expect(told(() => 'one')).toBe(3);
  });

  test('control: they displace all where each counts for itself', () => {
    expect(told(String)).toBe(0);
  });

  test('a member that does not ask again is forgotten, and no member is told about itself', () => {
    const registry = new MemberRegistry();
    registry.put('p', member('a'), 'a', 0);
    registry.put('p', member('b'), 'b', 170_000);
    expect(registry.others('p', 'b', 10, 175_000).map((peer) => peer.id)).toEqual(['a']);
    expect(registry.others('p', 'x', 10, 185_000).map((peer) => peer.id)).toEqual(['b']);
    expect(registry.size).toBe(1);
  });
});
