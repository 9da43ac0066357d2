import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Mesh } from '../../src/mesh/index.ts';
import { bytes, codeOf, collect, echo, node, soon, text, until } from './harness.ts';

const ECHO = '/test/1';
const NAME = '/test/name/1';
const OPTIONS = { maxInboundStreams: 8, maxMessageBytes: 1000 };

const serve = (mesh: Mesh, protocol: string, says: string) =>
  mesh.handle(protocol, (channel) => channel.send(bytes(says)), OPTIONS);

async function said(opening: ReturnType<Mesh['open']>): Promise<string> {
  const channel = await opening;
  const message = await channel.receive();
  await channel.close();
  return text(message);
}

/** A node, and two processes of one key that have dialled it, of which the second listens. */
async function threesome() {
  const key = randomBytes(32);
  const [hub, first, second] = await Promise.all([node(), node({ key, listen: [] }), node({ key })]);
  await first.connect(hub.addresses());
  await until('the first', () => hub.links(first.id).length === 1);
  await second.connect(hub.addresses());
  await until('the second', () => hub.links(first.id).length === 2);
  return { hub, first, second, id: first.id };
}

describe('several processes of one key', () => {
  test('a stream goes to the one that speaks the protocol', async () => {
    const { hub, first, second, id } = await threesome();
    serve(first, ECHO, 'first');
    expect(await said(hub.open(id, ECHO, { maxMessageBytes: 1000 }))).toBe('first');
    serve(second, NAME, 'second');
    expect(await said(hub.open(id, NAME, { maxMessageBytes: 1000 }))).toBe('second');
    expect(await codeOf(hub.open(id, '/test/none/1', { maxMessageBytes: 1000 }))).toBe(
      'MESH_PROTOCOL_UNKNOWN',
    );
  });

  test('of which both speak it, to the one that connected last, or that a connection leads to', async () => {
    const { hub, first, second, id } = await threesome();
    serve(first, NAME, 'first');
    serve(second, NAME, 'second');
    expect(await said(hub.open(id, NAME, { maxMessageBytes: 1000 }))).toBe('second');
    const each = hub.links(id).map((link) => said(link.open(NAME, { maxMessageBytes: 1000 })));
    expect(await Promise.all(each)).toEqual(['second', 'first']);
  });

  test('a channel that one of them opened leads back to it', async () => {
    const { hub, first, second } = await threesome();
    serve(first, NAME, 'first');
    serve(second, NAME, 'second');
    hub.handle(
      ECHO,
      async (channel) => {
        const back = said(channel.link.open(NAME, { maxMessageBytes: 1000 }));
        await channel.send(bytes(await back));
      },
      OPTIONS,
    );
    const to = { id: hub.id, addrs: hub.addresses() };
    expect(await said(first.open(to, ECHO, { maxMessageBytes: 1000 }))).toBe('first');
    expect(await said(second.open(to, ECHO, { maxMessageBytes: 1000 }))).toBe('second');
  });

  test('one that listens is dialled where those that are connected do not speak the protocol, once', async () => {
    const key = randomBytes(32);
    const [hub, client, server] = await Promise.all([node(), node({ key, listen: [] }), node({ key })]);
    await client.connect(hub.addresses());
    await until('the client', () => hub.links(client.id).length === 1);
    server.handle(ECHO, echo, OPTIONS);
    const to = { id: server.id, addrs: server.addresses() };
    const channel = await hub.open(to, ECHO, { signal: soon(), maxMessageBytes: 1000 });
    await channel.send(bytes('here'));
    expect(text(await channel.receive())).toBe('here');
    for (let again = 0; again < 3; again++)
      expect(await codeOf(hub.open(to, '/test/none/1', { maxMessageBytes: 1000 }))).toBe(
        'MESH_PROTOCOL_UNKNOWN',
      );
    expect(hub.links(server.id)).toHaveLength(2);
  });

  test('the end of one leaves the other connected, and heard by gossip', async () => {
    const { hub, first, second, id } = await threesome();
    const heard = collect(second);
    const events: string[] = [];
    hub.onPeer(({ peer, kind }) => peer === id && events.push(kind));
    await first.close();
    await until('one is gone', () => hub.links(id).length === 1);
    expect(events).toEqual([]);
    let n = 0;
    await until(
      'gossip',
      async () => {
        await hub.publish('jobs', bytes(`message ${++n}`));
        return heard.size > 0;
      },
      20_000,
    );
  });
});
