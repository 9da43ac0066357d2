import { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, type MockInstance, vi } from 'vitest';
import type { Channel, Mesh } from '../../src/mesh/index.ts';
import { bytes, node, soon, text } from './harness.ts';

const protocol = '/quorate/test-frames/1';
const options = { maxInboundStreams: 64, maxMessageBytes: 1024 * 1024 };

/** Each write to a socket, of the whole process: nodes of a file before may still end. */
let writes: MockInstance<Socket['write']>;

/** Writes to the connection between two nodes, by the port that one of them listens on. */
function writesBetween({ from, to }: { from: Mesh; to: Mesh }): number {
  const ports = [from, to].flatMap((mesh) =>
    mesh.addresses().map((address) => Number(address.split('/')[4])),
  );
  const isBetween = (socket: unknown): boolean =>
    socket instanceof Socket &&
    [socket.localPort, socket.remotePort].some((port) => ports.includes(port ?? 0));
  return writes.mock.contexts.filter(isBetween).length;
}

beforeEach(() => {
  writes = vi.spyOn(Socket.prototype, 'write');
});
afterEach(() => {
  writes.mockRestore();
});

const open = (from: Mesh, to: Mesh): Promise<Channel> =>
  from.open({ id: to.id, addrs: to.addresses() }, protocol, { signal: soon(), maxMessageBytes: 1024 * 1024 });

/** A pair of nodes, the second of which counts the messages it reads and answers the last. */
async function pair(last: string): Promise<{ from: Mesh; to: Mesh }> {
  const [from, to] = [await node(), await node()];
  to.handle(
    protocol,
    async (channel) => {
      for (;;) {
        const message = await channel.receive();
        if (message === undefined) return;
        if (text(message) === last) await channel.send(bytes('seen'));
      }
    },
    options,
  );
  return { from, to };
}

describe('frames', () => {
  it('of one turn of the event loop go to the socket in one write', async () => {
    const { from, to } = await pair('last');
    const channels = await Promise.all(Array.from({ length: 8 }, () => open(from, to)));
    writes.mockClear();
    for (const channel of channels)
      for (const message of ['one', 'two', 'last']) void channel.send(bytes(message));
    for (const channel of channels) expect(text(await channel.receive())).toBe('seen');
    // 24 messages there and 8 answers: each channel sends its next message in a turn of promises, none in one of its own.
    expect(writesBetween({ from, to })).toBeLessThan(24);
  });

  it('of data cause no window update until half of the window is used', async () => {
    const { from, to } = await pair('last');
    const channel = await open(from, to);
    await channel.send(bytes('first'));
    writes.mockClear();
    const rounds = 40;
    for (let round = 0; round < rounds; round += 1) {
      await channel.send(bytes(`message ${round}`));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await channel.send(bytes('last'));
    expect(text(await channel.receive())).toBe('seen');
    const count = writesBetween({ from, to });
    expect(count).toBeGreaterThan(0);
    expect(count).toBeLessThan(1.5 * rounds);
  });

  it('of more than one window arrive whole, since windows are updated in time', async () => {
    const [from, to] = [await node(), await node()];
    to.handle(
      protocol,
      async (channel) => {
        let total = 0;
        for (let message = await channel.receive(); message !== undefined; message = await channel.receive())
          total += message.byteLength;
        await channel.send(bytes(String(total)));
      },
      options,
    );
    const channel = await open(from, to);
    const sizes = [1, 100_000, 16 * 1024, 16 * 1024 + 1, 1024 * 1024, 3, 700_000, 262_144, 262_143, 900_000];
    for (const size of sizes) await channel.send(new Uint8Array(size));
    await channel.close();
    expect(text(await channel.receive())).toBe(String(sizes.reduce((sum, size) => sum + size, 0)));
  });

  it('that wait when the node closes arrive before the end of the connection', async () => {
    const [from, to] = [await node(), await node()];
    const got = new Promise<string>((resolve, reject) => {
      to.handle(
        protocol,
        (channel) => channel.receive().then((message) => resolve(text(message)), reject),
        options,
      );
    });
    const channel = await open(from, to);
    void channel.send(bytes('farewell'));
    void channel.close();
    void from.close();
    expect(await got).toBe('farewell');
  });
});
