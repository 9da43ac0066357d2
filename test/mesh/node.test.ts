import type { GossipSub } from '@libp2p/gossipsub';
import { peerIdFromString } from '@libp2p/peer-id';
import { multiaddr } from '@multiformats/multiaddr';
import { describe, expect, test, vi } from 'vitest';
import type { Mesh } from '../../src/mesh/index.ts';
import type { Libp2pNode } from '../../src/mesh/libp2p-node.ts';
import { meshLimits } from '../../src/mesh/limits.ts';
import { testKey } from '../support/documents.ts';
import { waitsOf } from '../support/waits-of.ts';
import { withLimits } from '../support/with-limits.ts';
import { bootstrapNode, bytes, codeOf, echo, node, soon, text, until } from './harness.ts';

const CID_A = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy';
const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => testKey(name).id) as [string, string, string, string];
const gone = '/ip4/127.0.0.1/tcp/1';

const libp2pOf = (mesh: Mesh) => mesh.libp2p as unknown as Libp2pNode;
/** A node that nobody can dial, without peers. */
const alone = () => node({ listen: [] });

describe('providers of a CID', () => {
  const addrs = ['/ip4/192.0.2.1/tcp/1'];

  test('are as many as are wanted, without the node itself and doubles', async () => {
    const mesh = await alone();
    vi.spyOn(mesh.libp2p.contentRouting, 'findProviders').mockImplementation(async function* () {
      for (const id of [mesh.id, a, a, b, c, d])
        yield { id: peerIdFromString(id), multiaddrs: addrs.map((one) => multiaddr(one)) } as never;
    });
    const found: unknown[] = [];
    for await (const peer of mesh.findProviders(CID_A, { signal: soon(), max: 3 })) found.push(peer);
    expect(found).toEqual([a, b, c].map((id) => ({ id, addrs })));
  });

  test('are those found until the time is over; another failure is told', async () => {
    const mesh = await alone();
    const all = async (signal: AbortSignal, cid = CID_A): Promise<number> => {
      let count = 0;
      for await (const _ of mesh.findProviders(cid, { signal, max: 3 })) count += 1;
      return count;
    };
    expect(await codeOf(all(soon(), 'nonsense'))).toBe('MESH_ARGUMENT_INVALID');
    vi.spyOn(mesh.libp2p.contentRouting, 'findProviders').mockImplementation(async function* () {
      yield { id: peerIdFromString(a), multiaddrs: [] } as never;
      throw new Error('it ended');
    });
    expect(await all(AbortSignal.abort())).toBe(1);
    expect(await codeOf(all(soon()))).toBe('MESH_UNREACHABLE');
  });
});

describe('an announcement', () => {
  test('fails where no peer takes the record', async () => {
    withLimits(meshLimits, { betweenAnnouncementsMs: 1 });
    const mesh = await alone();
    expect(await codeOf(mesh.provide('nonsense'))).toBe('MESH_ARGUMENT_INVALID');
    const answers: { name: string; messageName: string }[] = [];
    vi.spyOn(libp2pOf(mesh).services.dht, 'provide').mockImplementation(async function* () {
      yield* answers as never[];
    });
    expect(await codeOf(mesh.provide(CID_A))).toBe('MESH_NOT_ANNOUNCED');
    answers.push(
      { name: 'PEER_RESPONSE', messageName: 'GET_PROVIDERS' },
      { name: 'QUERY_ERROR', messageName: 'ADD_PROVIDER' },
    );
    expect(await codeOf(mesh.provide(CID_A))).toBe('MESH_NOT_ANNOUNCED');
    answers.push({ name: 'PEER_RESPONSE', messageName: 'ADD_PROVIDER' });
    await mesh.provide(CID_A);
  });

  test('is made anew after it was taken back, which is waited for', async () => {
    withLimits(meshLimits, { betweenAnnouncementsMs: 1 });
    const mesh = await alone();
    const { dht } = libp2pOf(mesh).services;
    let walks = 0;
    vi.spyOn(dht, 'provide').mockImplementation(async function* () {
      walks += 1;
      yield { name: 'PEER_RESPONSE', messageName: 'ADD_PROVIDER' } as never;
    });
    const cancel = vi.spyOn(dht, 'cancelReprovide').mockRejectedValueOnce(new Error('not stored'));
    for (let n = 0; n < 2; n++) await mesh.provide(CID_A);
    expect(walks).toBe(1);
    await expect(mesh.unprovide(CID_A)).rejects.toThrow('not stored');
    await mesh.unprovide(CID_A);
    expect(cancel).toHaveBeenCalledTimes(2);
    await mesh.provide(CID_A);
    expect(walks).toBe(2);
  });
});

describe('addresses of a peer', () => {
  test('are looked for in the DHT, within the time of the caller', async () => {
    const mesh = await alone();
    const routing = vi.spyOn(mesh.libp2p.peerRouting, 'findPeer').mockRejectedValue(new Error('not found'));
    expect(await codeOf(mesh.findPeer(a, { signal: soon() }))).toBe('MESH_PEER_UNKNOWN');
    expect(await codeOf(mesh.findPeer(a, { signal: AbortSignal.abort() }))).toBe('MESH_TIMEOUT');
    const found = [multiaddr('/ip4/192.0.2.1/tcp/1')];
    routing.mockResolvedValue({ id: peerIdFromString(a), multiaddrs: found } as never);
    expect(await mesh.findPeer(a, { signal: soon() })).toEqual(found.map(String));
    routing.mockResolvedValue({ id: peerIdFromString(a), multiaddrs: [] } as never);
    expect(await codeOf(mesh.findPeer(a, { signal: soon() }))).toBe('MESH_PEER_UNKNOWN');
  });

  test('are those that are known, else that of an open connection', async () => {
    const [mesh, other] = [await node(), await alone()];
    await other.connect(mesh.addresses());
    await until('connected', () => mesh.connected().includes(other.id));
    const [connection] = mesh.libp2p.getConnections();
    const routing = vi
      .spyOn(mesh.libp2p.peerRouting, 'findPeer')
      .mockResolvedValue({ multiaddrs: [] } as never);
    const known = vi.spyOn(mesh.libp2p.peerStore, 'get').mockRejectedValue(new Error('none'));
    expect(await mesh.findPeer(other.id, { signal: soon() })).toEqual([String(connection?.remoteAddr)]);
    expect(routing).toHaveBeenCalledOnce();
    known.mockResolvedValue({ addresses: [{ multiaddr: multiaddr('/ip4/192.0.2.1/tcp/1') }] } as never);
    expect(await mesh.findPeer(other.id, { signal: soon() })).toEqual(['/ip4/192.0.2.1/tcp/1']);
    expect(routing).toHaveBeenCalledOnce();
    known.mockRestore();
  });
});

describe('a dial', () => {
  test('goes to the addresses of one peer', async () => {
    const mesh = await alone();
    for (const addrs of [[], [`${gone}/p2p/${a}`, `${gone}/p2p/${b}`]])
      expect(await codeOf(mesh.connect(addrs))).toBe('MESH_ADDRESS_INVALID');
    await expect(mesh.connect([])).rejects.toThrow('(none)');
  });

  test('of whoever is at an address finds who is there', async () => {
    const [mesh, other] = [await alone(), await node()];
    other.handle('/echo/1', echo, { maxInboundStreams: 1, maxMessageBytes: 100 });
    const plain = other.addresses().map((address) => address.replace(/\/p2p\/.*/, ''));
    const options = { signal: soon(), maxMessageBytes: 100 };
    const channel = await mesh.open({ id: null, addrs: plain }, '/echo/1', options);
    expect(channel.peer).toBe(other.id);
    await channel.send(bytes('hi'));
    expect(text(await channel.receive())).toBe('hi');
    expect(await codeOf(mesh.open({ id: null, addrs: [gone] }, '/echo/1', options))).toBe('MESH_UNREACHABLE');
  });

  test('is not made where a connection takes no more streams', async () => {
    const [hub, client] = [await node(), await node()];
    await client.connect(hub.addresses());
    await until('connected', () => hub.links(client.id).length === 1);
    const [connection] = hub.libp2p.getConnections();
    const full = Object.assign(new Error('full'), { name: 'TooManyOutboundProtocolStreamsError' });
    if (connection !== undefined) vi.spyOn(connection, 'newStream').mockRejectedValue(full);
    const to = { id: client.id, addrs: client.addresses() };
    expect(await codeOf(hub.open(to, '/echo/1', { maxMessageBytes: 100 }))).toBe('MESH_PEER_QUOTA');
    expect(hub.links(client.id)).toHaveLength(1);
  });
});

test('a connection over a relay is no reason not to dial a peer', async () => {
  const [mesh, other] = [await alone(), await node()];
  const to = { id: other.id, addrs: other.addresses() };
  const links = async (): Promise<number> => {
    expect(await codeOf(mesh.open(to, '/none/1', { maxMessageBytes: 1 }))).toBe('MESH_PROTOCOL_UNKNOWN');
    return mesh.links(other.id).length;
  };
  await mesh.connect(to.addrs);
  expect(await links()).toBe(1);
  for (const connection of mesh.libp2p.getConnections()) Object.assign(connection, { limits: {} });
  expect(await links()).toBe(2);
});

describe('a topic', () => {
  const pubsubOf = (mesh: Mesh) => libp2pOf(mesh).services.pubsub as GossipSub;

  test('is left when the last of its handlers is gone, and not by one that is gone already', async () => {
    const mesh = await alone();
    const [first, second] = [mesh.subscribe('jobs', () => {}), mesh.subscribe('jobs', () => {})];
    for (let n = 0; n < 2; n++) first();
    expect(pubsubOf(mesh).getTopics()).toEqual(['jobs']);
    second();
    expect(pubsubOf(mesh).getTopics()).toEqual([]);
    const third = mesh.subscribe('jobs', () => {});
    vi.spyOn(pubsubOf(mesh), 'publish').mockRejectedValueOnce(new Error('not started'));
    await expect(mesh.publish('jobs', bytes('late'))).rejects.toThrow('not started');
    await mesh.close();
    third();
  });

  test('takes no message without a signature, and none that is too large', async () => {
    const mesh = await alone();
    mesh.setValidator('jobs', async () => 'accept');
    expect(() => mesh.setValidator('other', async () => 'accept')).toThrow('not opened for the topic');
    const validate = pubsubOf(mesh).topicValidators.get('jobs');
    const verdict = (type: string, size: number) =>
      validate?.(peerIdFromString(a), {
        type,
        from: peerIdFromString(a),
        data: new Uint8Array(size),
      } as never);
    expect(await Promise.all([verdict('signed', 512 * 1024), verdict('unsigned', 1)])).toEqual([
      ...['accept', 'reject'],
    ]);
    expect(await verdict('signed', 512 * 1024 + 1)).toBe('reject');
    expect(mesh.stats()).toMatchObject({ gossipRejected: 2, gossipIgnored: 0 });
  });

  test('has bounds for what one neighbour may send, and for what waits for it', async () => {
    const { opts } = pubsubOf(await alone()) as unknown as { opts: object };
    const MiB = 1024 * 1024;
    expect(opts).toMatchObject({ maxInboundDataLength: MiB, maxOutboundBufferSize: 8 * MiB });
  });

  test('is none of a bootstrap node', async () => {
    const boot = await bootstrapNode({ topics: ['jobs'] });
    expect(await codeOf(boot.publish('jobs', bytes('x')))).toBe('MESH_ARGUMENT_INVALID');
  });
});

test('a node tells its places, and the turns of an account', async () => {
  const [own, boot] = [await node({ listen: [], maxConnections: 5 }), await bootstrapNode({ listen: [] })];
  expect(own.connections()).toEqual({ open: 0, max: 5, refused: 0, isFull: false });
  expect([(await alone()).connections().max, boot.connections().max]).toEqual([300, 4_000]);
  expect(own.charge('account', 500)).toBe(0);
  expect(own.charge('account', 500)).toBeGreaterThan(4_000);
});

test('a node has a place at a relay where it is not reached otherwise', async () => {
  const boot = await bootstrapNode();
  const bootstrap = boot.addresses();
  const announced = await node({ listen: [], bootstrap, announce: ['/dns4/a.example/tcp/1'] });
  const hidden = await node({ listen: [], bootstrap });
  const has = (mesh: Mesh) => 'reservation' in libp2pOf(mesh).services;
  expect([boot, announced, hidden].map(has)).toEqual([false, false, true]);
  const { relay } = libp2pOf(boot).services as { relay?: { reservationStore: object } };
  expect(relay?.reservationStore).toMatchObject({
    maxReservations: 512,
    reservationTtl: 7_200_000,
    defaultDurationLimit: 3_600_000,
    defaultDataLimit: 64n * 1024n * 1024n,
  });
});

test('a node tells of peers until it is not asked any more', async () => {
  const [near, far] = [await node(), await node()];
  const told: string[] = [];
  const stop = near.onPeer(({ kind }) => told.push(kind));
  near.onPeer(({ kind }) => kind === 'disconnected' && told.push('the other'));
  await near.connect(far.addresses());
  await until('told', () => told.length === 1);
  stop();
  await far.close();
  await until('told of the end', () => told.length === 2);
  expect(told).toEqual(['connected', 'the other']);
});

test('a node is closed within two seconds, whatever libp2p still waits for', async () => {
  const mesh = await alone();
  const stop = vi.spyOn(mesh.libp2p, 'stop').mockReturnValue(new Promise<void>(() => {}) as never);
  const waits = waitsOf(2_000);
  await mesh.close();
  expect(waits.count).toBe(1);
  stop.mockRestore();
  await mesh.libp2p.stop();
});
