import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { StreamChannel } from '../../src/mesh/channel.ts';
import type { Channel } from '../../src/mesh/index.ts';
import { ConnectionLink } from '../../src/mesh/link.ts';
import { bytes, codeOf, echo, node, soon, text, until } from './harness.ts';

const PROTOCOL = '/test/1';
const OPTIONS = { maxInboundStreams: 8, maxMessageBytes: 4 * 1024 * 1024 };

async function pair(handler: (channel: Channel) => Promise<void>, options = OPTIONS) {
  const [client, server] = await Promise.all([node(), node()]);
  server.handle(PROTOCOL, handler, options);
  const peer = { id: server.id, addrs: server.addresses() };
  const open = (maxMessageBytes = options.maxMessageBytes) =>
    client.open(peer, PROTOCOL, { signal: soon(), maxMessageBytes });
  return { client, server, open };
}

describe('channels', () => {
  test('messages of any size come back whole and in order', async () => {
    const { open } = await pair(echo);
    const channel = await open();
    const messages = [0, 1, 3, 4, 5, 1000, 262_143, 262_144, 262_145, 3_000_000].map((n) => randomBytes(n));
    const sent = Promise.all(messages.map((message) => channel.send(message)));
    for (const message of messages) {
      const back = await channel.receive({ timeoutMs: 120_000 });
      expect(Buffer.compare(back ?? Buffer.alloc(0), message)).toBe(0);
    }
    await sent;
    await channel.close();
    expect(await channel.receive()).toBeUndefined();
    await until('both halves are closed', () => channel.closed);
  });

  test('after closing our half the answer can still be read', async () => {
    const { open } = await pair(async (channel) => {
      let size = 0;
      for (;;) {
        const message = await channel.receive();
        if (message === undefined) break;
        size += message.byteLength;
      }
      await channel.send(bytes(`got ${size}`));
    });
    const channel = await open();
    for (let i = 0; i < 10; i++) await channel.send(new Uint8Array(100_000));
    await channel.close();
    expect(text(await channel.receive({ timeoutMs: 120_000 }))).toBe('got 1000000');
    expect(await channel.receive({ timeoutMs: 120_000 })).toBeUndefined();
    expect(await codeOf(channel.send(bytes('more')))).toBe('MESH_CLOSED');
  });

  test('a wait that runs out or is given up leaves the channel usable', async () => {
    const { open } = await pair(echo);
    const channel = await open();
    expect(await codeOf(channel.receive({ timeoutMs: 50 }))).toBe('MESH_TIMEOUT');
    const giveUp = new AbortController();
    const waiting = codeOf(channel.receive({ signal: giveUp.signal }));
    giveUp.abort();
    expect(await waiting).toBe('MESH_TIMEOUT');
    await channel.send(bytes('still here'));
    expect(text(await channel.receive({ timeoutMs: 120_000 }))).toBe('still here');
  });

  test('a message beyond the limit is refused by the sender and the channel lives on', async () => {
    const { open, client } = await pair(echo, { maxInboundStreams: 8, maxMessageBytes: 1000 });
    const channel = await open();
    expect(await codeOf(channel.send(new Uint8Array(1001)))).toBe('MESH_MESSAGE_TOO_LARGE');
    await channel.send(new Uint8Array(1000));
    expect((await channel.receive({ timeoutMs: 120_000 }))?.byteLength).toBe(1000);
    expect(client.stats().messagesTooLarge).toBe(1);
  });

  test('a message beyond the receiver’s limit breaks the channel on both sides', async () => {
    let seen: string | undefined;
    const { open, server } = await pair(
      async (channel) => {
        seen = await codeOf(channel.receive());
      },
      { maxInboundStreams: 8, maxMessageBytes: 1000 },
    );
    const channel = await open(1_000_000);
    await channel.send(new Uint8Array(1001));
    expect(await codeOf(channel.receive({ timeoutMs: 120_000 }))).toBe('MESH_RESET');
    expect(seen).toBe('MESH_MESSAGE_TOO_LARGE');
    expect(server.stats().messagesTooLarge).toBe(1);
    await until('closed', () => channel.closed);
  });

  test('a handler that throws resets the channel; what it sent before still arrives', async () => {
    const { open, server } = await pair(async (channel) => {
      await channel.send(bytes('first'));
      await channel.receive();
      throw new Error('broken');
    });
    const channel = await open();
    expect(text(await channel.receive({ timeoutMs: 120_000 }))).toBe('first');
    await channel.send(bytes('go'));
    expect(await codeOf(channel.receive({ timeoutMs: 120_000 }))).toBe('MESH_RESET');
    expect(server.stats().handlerFailures).toBe(1);
  });

  test('an abort in the middle of a message reaches the other side as a reset', async () => {
    const codes: (string | undefined)[] = [];
    const { open } = await pair(async (channel) => {
      codes.push(await codeOf(channel.receive()));
    });
    const channel = await open();
    const sending = codeOf(channel.send(new Uint8Array(4_000_000)));
    channel.abort(new Error('changed my mind'));
    await sending;
    await until('noticed', () => codes.length === 1);
    expect(codes).toEqual(['MESH_RESET']);
    expect(channel.closed).toBe(true);
  });

  test('a peer that vanishes is a reset, not the end', async () => {
    const { open, server } = await pair(async (channel) => {
      await channel.receive();
    });
    const channel = await open();
    const waiting = codeOf(channel.receive({ timeoutMs: 120_000 }));
    for (const connection of server.libp2p.getConnections()) connection.abort(new Error('cable cut'));
    expect(await waiting).toBe('MESH_RESET');
  });

  test('an unknown protocol is named', async () => {
    const { client, server } = await pair(echo);
    const opening = client.open({ id: server.id, addrs: server.addresses() }, '/none/1', {
      signal: soon(),
      maxMessageBytes: 10,
    });
    expect(await codeOf(opening)).toBe('MESH_PROTOCOL_UNKNOWN');
  });
});

describe('a stream that is refused', () => {
  test.each([
    ['for their number', { maxInboundStreams: 1, perPeerPerMinute: 100 }, 'MESH_PEER_QUOTA'],
    ['for their rate', { maxInboundStreams: 9, perPeerPerMinute: 1 }, 'MESH_PEER_RATE'],
  ])('%s is answered with the limit', async (_, bounds, code) => {
    const { open } = await pair(echo, { ...OPTIONS, ...bounds });
    const first = await open();
    await first.send(bytes('x'));
    await first.receive();
    const refused = await open();
    const answer = JSON.parse(text(await refused.receive({ timeoutMs: 120_000 })));
    expect(answer).toMatchObject({
      kind: 'error',
      code,
      message: expect.stringMatching(/one peer may .*1 channels/),
    });
    await refused.close();
  });
});

describe('a peer that neither reads nor closes', () => {
  async function stuck(channelLimits: { stallMs?: number; lingerMs?: number }): Promise<StreamChannel> {
    const { client, server } = await pair(() => new Promise(() => {}));
    await client.connect(server.addresses());
    const [connection] = client.libp2p.getConnections();
    if (connection === undefined) throw new Error('unreachable');
    const stream = await connection.newStream(PROTOCOL);
    return new StreamChannel(
      stream,
      new ConnectionLink(connection, client.stats(), { rankOf: () => 'guest' }),
      {
        maxMessageBytes: 32 * 1024 * 1024,
        ...channelLimits,
      },
    );
  }

  test('stops a send after the time allowed for a stall', async () => {
    const channel = await stuck({ stallMs: 300 });
    expect(await codeOf(channel.send(new Uint8Array(20_000_000)))).toBe('MESH_TIMEOUT');
    expect(channel.closed).toBe(true);
  });

  test('keeps a channel closed on our side no longer than the linger time', async () => {
    const channel = await stuck({ lingerMs: 200 });
    await channel.close();
    expect(channel.closed).toBe(false);
    await until('given up', () => channel.closed);
  });

  test('does not cut off an answer that is being waited for', async () => {
    const channel = await stuck({ lingerMs: 100 });
    await channel.close();
    expect(await codeOf(channel.receive({ timeoutMs: 600 }))).toBe('MESH_TIMEOUT');
    expect(channel.closed).toBe(false);
  });
});
