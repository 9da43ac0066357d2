import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { CID } from 'multiformats/cid';
import { describe, expect, test } from 'vitest';
import { freePort } from '../../examples/demo/free-port.ts';
import { projectRendezvous } from '../../src/mesh/index.ts';
import { meshLimits } from '../../src/mesh/limits.ts';
import { RememberedPeers } from '../../src/mesh/remembered-peers.ts';
import { testKey } from '../support/documents.ts';
import { withLimits } from '../support/with-limits.ts';
import {
  bootstrapNode,
  bytes,
  codeOf,
  collect,
  echo,
  folder,
  node,
  soon,
  subscribers,
  text,
  until,
} from './harness.ts';

const CID_A = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy';

async function providers(mesh: Awaited<ReturnType<typeof node>>, cid: string): Promise<string[]> {
  const found: string[] = [];
  for await (const peer of mesh.findProviders(cid, { signal: soon(), max: 10 })) found.push(peer.id);
  return found;
}

describe('finding each other', () => {
  test('a peer that comes late connects to the others of its project and hears what follows', async () => {
    const boot = await bootstrapNode();
    const early = await Promise.all([0, 1].map(() => node({ bootstrap: boot.addresses() })));
    for (const mesh of early) mesh.joinProject('root');
    await until('the early ones meet', () => early.every((mesh) => mesh.connected().length >= 2));
    const late = await node({ bootstrap: boot.addresses() });
    const heard = collect(late);
    late.joinProject('root');
    await until('the late one has met both', () => early.every((mesh) => late.connected().includes(mesh.id)));
    await until('subscription known', () => early.every((mesh) => subscribers(mesh) === 1));
    await early[0]?.publish('jobs', bytes('news'));
    await until('it hears', () => heard.has('news'));
  });

  test('only members of the same project are brought together', async () => {
    const boot = await bootstrapNode();
    const nodes = await Promise.all([0, 1, 2].map(() => node({ bootstrap: boot.addresses() })));
    const [a, b, stranger] = nodes;
    if (a === undefined || b === undefined || stranger === undefined) throw new Error('unreachable');
    const request = JSON.stringify({ root: 'one', addrs: stranger.addresses() });
    a.joinProject('one');
    b.joinProject('one');
    await until('a and b meet', () => a.connected().includes(b.id));
    // Another node tells about the projects it is in itself, a bootstrap node about all.
    stranger.joinProject('two');
    const ask = async (peer: { id: string; addrs: string[] }): Promise<string[]> => {
      const channel = await stranger.open(peer, '/quorate/peer-exchange/1', {
        signal: soon(),
        maxMessageBytes: 65_536,
      });
      await channel.send(bytes(request));
      const { peers } = JSON.parse(text(await channel.receive({ timeoutMs: 120_000 })));
      return peers.map((peer: { id: string }) => peer.id);
    };
    const told = await ask({ id: boot.id, addrs: boot.addresses() });
    expect(told.sort()).toEqual([a.id, b.id].sort());
    const nosy = await stranger.open({ id: a.id, addrs: a.addresses() }, '/quorate/peer-exchange/1', {
      signal: soon(),
      maxMessageBytes: 65_536,
    });
    await nosy.send(bytes(request.replace('one', 'three')));
    expect(text(await nosy.receive({ timeoutMs: 120_000 }))).toBe('{"peers":[]}');
    const rude = await stranger.open(boot.id, '/quorate/peer-exchange/1', {
      signal: soon(),
      maxMessageBytes: 65_536,
    });
    await rude.send(bytes('{"root":1}'));
    expect(await codeOf(rude.receive({ timeoutMs: 120_000 }))).toBe('MESH_RESET');
  });

  test('a provided CID is found by a node that only knows the bootstrap node', async () => {
    withLimits(meshLimits, { betweenAnnouncementsMs: 1 });
    const boot = await bootstrapNode();
    const [owner, seeker] = await Promise.all([0, 1].map(() => node({ bootstrap: boot.addresses() })));
    if (owner === undefined || seeker === undefined) throw new Error('unreachable');
    await until('connected', () => owner.connected().length > 0 && seeker.connected().length > 0);
    expect(await providers(seeker, CID_A)).toEqual([]);
    await until('provided and found', async () => {
      await codeOf(owner.provide(CID_A));
      return (await providers(seeker, CID_A)).includes(owner.id);
    });
    expect((await seeker.findPeer(owner.id, { signal: soon() })).length).toBeGreaterThan(0);
  });

  test('a channel opens to a bare PeerId by looking it up', async () => {
    const boot = await bootstrapNode();
    const [a, b] = await Promise.all([0, 1].map(() => node({ bootstrap: boot.addresses() })));
    if (a === undefined || b === undefined) throw new Error('unreachable');
    b.handle('/echo/1', echo, { maxInboundStreams: 1, maxMessageBytes: 100 });
    await until('both connected', () => a.connected().length > 0 && b.connected().length > 0);
    await until(
      'b is in the DHT',
      async () => (await codeOf(a.findPeer(b.id, { signal: soon() }))) === undefined,
    );
    const channel = await a.open(b.id, '/echo/1', { signal: soon(), maxMessageBytes: 100 });
    await channel.send(bytes('hi'));
    expect(text(await channel.receive({ timeoutMs: 120_000 }))).toBe('hi');
  });

  test('after a restart of everybody, peers meet again without the bootstrap node', async () => {
    const boot = await bootstrapNode();
    const bootAddresses = boot.addresses();
    const keys = [randomBytes(32), randomBytes(32), randomBytes(32)];
    const files = keys.map(() => join(folder(), 'peers.json'));
    const ports = await Promise.all(keys.map(() => freePort()));
    const start = () =>
      Promise.all(
        keys.map((key, i) =>
          node({
            key,
            listen: [`/ip4/127.0.0.1/tcp/${ports[i]}`],
            bootstrap: bootAddresses,
            peersFile: files[i] ?? '',
          }),
        ),
      );
    const first = await start();
    for (const mesh of first) mesh.joinProject('root');
    await until('all connected', () => first.every((mesh) => mesh.connected().length === 3));
    await until('all have remembered the others', () =>
      files.every((file) => existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).peers.length === 3),
    );
    await Promise.all([boot, ...first].map((mesh) => mesh.close()));
    for (const file of files) expect(statSync(file).mode & 0o777).toBe(0o600);
    // A disk that changes a bit of one peer, or of one address, loses that peer and no more.
    const [file = ''] = files;
    const text = readFileSync(file, 'utf8');
    const { peers } = JSON.parse(text);
    writeFileSync(
      file,
      text.replace(peers[0].id, peers[0].id.replace('3', 's')).replace(peers[1].addrs[0], '/ir4/1'),
    );
    const second = await start();
    const heard = second.map((mesh) => collect(mesh));
    await until('all connected again', () => second.every((mesh) => mesh.connected().length === 2));
    await until('subscriptions known', () => second.every((mesh) => subscribers(mesh) === 2));
    await second[0]?.publish('jobs', bytes('we are back'));
    await until('heard', () => heard.slice(1).every((set) => set.has('we are back')));
  });

  test('a bootstrap node that comes back is connected again', async () => {
    const key = randomBytes(32);
    const listen = [`/ip4/127.0.0.1/tcp/${await freePort()}`];
    const boot = await bootstrapNode({ key, listen });
    const mesh = await node({ bootstrap: boot.addresses() });
    await until('connected', () => mesh.connected().length === 1);
    const events: string[] = [];
    mesh.onPeer((event) => events.push(event.kind));
    await boot.close();
    await until('gone', () => mesh.connected().length === 0);
    await bootstrapNode({ key, listen });
    await until('back', () => mesh.connected().length === 1);
    expect(events).toEqual(['disconnected', 'connected']);
  });

  test('a node that cannot be dialled is reached through the bootstrap node’s relay', async () => {
    const boot = await bootstrapNode();
    const hidden = await node({ listen: [], bootstrap: boot.addresses() });
    const other = await node({ bootstrap: boot.addresses() });
    hidden.handle('/echo/1', echo, { maxInboundStreams: 1, maxMessageBytes: 1_000_000 });
    await until('a slot is reserved', () => hidden.addresses().some((a) => a.includes('/p2p-circuit')));
    const address = { id: hidden.id, addrs: hidden.addresses() };
    const channel = await other.open(address, '/echo/1', { signal: soon(), maxMessageBytes: 1_000_000 });
    // More than the library's default of 128 KiB per relayed connection.
    await channel.send(new Uint8Array(900_000));
    expect((await channel.receive({ timeoutMs: 120_000 }))?.byteLength).toBe(900_000);
  });

  test('a peers file that is broken does not stop a node and is replaced', async () => {
    const file = join(folder(), 'peers.json');
    writeFileSync(file, '{"version":1,"peers":[{"id":');
    const [a, b] = await Promise.all([node({ peersFile: file }), node()]);
    expect(a.stats().peersFileFailures).toBe(1);
    await a.connect(b.addresses());
    await until('written', () => existsSync(file) && readFileSync(file, 'utf8').includes(b.id));
    expect(JSON.parse(readFileSync(file, 'utf8')).peers[0]).toMatchObject({ id: b.id, dialled: true });
  });

  test('a peers file keeps what each of two processes adds, and stays with the account that owns it', async () => {
    const file = join(folder(), 'peers.json');
    const [a, b, c] = [testKey('a').id, testKey('b').id, testKey('c').id];
    const open = () => new RememberedPeers(file, () => expect.unreachable());
    const [one, other] = [open(), open()];
    const known = () =>
      open()
        .list()
        .map(({ id }) => id);
    one.remember(a, ['/ip4/192.0.2.1/tcp/1'], true, 1);
    await one.close();
    other.remember(b, ['/ip4/192.0.2.2/tcp/1'], true, 2);
    await other.close();
    expect(known()).toEqual([b, a]);
    if (process.getuid?.() !== 0) return;
    chownSync(file, 65_534, 65_534);
    one.remember(c, ['/ip4/192.0.2.3/tcp/1'], true, 3);
    await one.close();
    expect(statSync(file).uid).toBe(65_534);
    expect(known()).toEqual([b, a]);
  });
});

describe('errors', () => {
  test('a port in use, a bad address, a bad key', async () => {
    const first = await node();
    const listen = [first.addresses()[0]?.replace(/\/p2p\/.*/, '') ?? ''];
    expect(await codeOf(node({ listen }))).toBe('MESH_LISTEN_FAILED');
    expect(await codeOf(node({ listen: ['/ip4/192.0.2.1/tcp/0'] }))).toBe('MESH_LISTEN_FAILED');
    expect(await codeOf(node({ bootstrap: ['/ip4/127.0.0.1/tcp/1'] }))).toBe('MESH_ADDRESS_INVALID');
    expect(await codeOf(node({ bootstrap: ['127.0.0.1:4001'] }))).toBe('MESH_ADDRESS_INVALID');
    expect(await codeOf(node({ key: new Uint8Array(31) }))).toBe('MESH_ARGUMENT_INVALID');
  });

  test('at an address without a server, with the wrong one, and with one that accepts and says nothing', async () => {
    const [mesh, other, third] = await Promise.all([node(), node(), node()]);
    const gone = `/ip4/127.0.0.1/tcp/1/p2p/${other.id}`;
    const unreachable = mesh.connect([gone]);
    await expect(unreachable).rejects.toMatchObject({ code: 'MESH_UNREACHABLE' });
    await expect(unreachable).rejects.toThrow('/ip4/127.0.0.1/tcp/1');
    const wrong = `${third.addresses()[0]?.replace(/\/p2p\/.*/, '')}/p2p/${other.id}`;
    expect(await codeOf(mesh.connect([wrong]))).toBe('MESH_UNREACHABLE');
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const address = silent.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const addrs = [`/ip4/127.0.0.1/tcp/${port}/p2p/${other.id}`];
    const opening = mesh.open({ id: other.id, addrs }, '/x/1', { signal: soon(500), maxMessageBytes: 1 });
    expect(await codeOf(opening)).toBe('MESH_TIMEOUT');
    silent.close();
  });

  test('closing twice is fine', async () => {
    const [a, b] = await Promise.all([node(), node()]);
    await a.connect(b.addresses());
    await Promise.all([a.close(), a.close()]);
    await a.close();
    await until('the other side notices', () => b.connected().length === 0);
  });
});

test('the rendezvous of a project is the raw sha256 CID of its name', () => {
  const cid = CID.parse(projectRendezvous('12D3KooWroot'));
  expect(cid.code).toBe(0x55);
  // printf quorate/project/12D3KooWroot | sha256sum
  const digest = '88de04e88b888898bad45b85da268994da12a47f3b4d071f3531991cd36bb70d';
  expect(Buffer.from(cid.multihash.digest).toString('hex')).toBe(digest);
});
