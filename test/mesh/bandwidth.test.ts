import { expect, it } from 'vitest';
import type { Mesh } from '../../src/mesh/index.ts';
import { Bandwidth, Rate } from '../../src/protocol/base/bandwidth.ts';
import { node, soon } from './harness.ts';

const bytesPerSecond = 400_000;
const message = new Uint8Array(20_000);
const count = 40;

it('a rate lets a moment pass at once, and makes whoever is over it wait', () => {
  const rate = new Rate(1000);
  expect(rate.charge(100, 5_000)).toBe(1);
  expect(rate.charge(500, 5_000)).toBe(500);
  expect(rate.wait(5_400)).toBe(100);
  expect(rate.wait(5_501)).toBe(0);
  rate.perSecond = undefined;
  expect(rate.charge(1e9, 5_501)).toBe(0);
});

async function sendAll(from: Mesh, to: Mesh, messages = count): Promise<number> {
  const began = performance.now();
  let got = 0;
  const done = Promise.withResolvers<void>();
  to.handle(
    '/test/take/1',
    async (channel) => {
      for (;;) {
        const part = await channel.receive({ timeoutMs: 120_000 });
        if (part === undefined) break;
        got += part.byteLength;
      }
      done.resolve();
    },
    { maxInboundStreams: 8, maxMessageBytes: 100_000 },
  );
  const addrs = to.addresses();
  // Two streams: the limit is over all of them together.
  const channels = await Promise.all(
    [0, 1].map(() =>
      from.open({ id: to.id, addrs }, '/test/take/1', { signal: soon(), maxMessageBytes: 100_000 }),
    ),
  );
  await Promise.all(
    channels.map(async (channel) => {
      for (let sent = 0; sent < messages / 2; sent++) await channel.send(message);
      await channel.close();
    }),
  );
  await done.promise;
  while (got < messages * message.byteLength) await new Promise((resolve) => setTimeout(resolve, 5));
  return (messages * message.byteLength) / ((performance.now() - began) / 1000);
}

const limited = (direction: 'up' | 'down', perSecond: number | undefined = bytesPerSecond): Bandwidth => {
  const bandwidth = new Bandwidth();
  bandwidth[direction].perSecond = perSecond;
  return bandwidth;
};

/** The rate at which bytes pass in that direction, which a limit holds back. */
async function rateOf(direction: 'up' | 'down'): Promise<number> {
  const [a, b] = [await node({ bandwidth: limited(direction) }), await node()];
  return direction === 'up' ? sendAll(a, b) : sendAll(b, a);
}

/** The same up, where the limit is set once the connection is open. */
async function rateOfOpen(): Promise<number> {
  const bandwidth = new Bandwidth();
  const [a, b] = [await node({ bandwidth }), await node()];
  await a.connect(b.addresses());
  bandwidth.up.perSecond = bytesPerSecond;
  return sendAll(a, b);
}

it('a node moves no more bytes a second than it may: up, down, and from the moment it is set on an open connection', async () => {
  const rates = await Promise.all([rateOf('up'), rateOf('down'), rateOfOpen()]);
  for (const rate of rates) expect(rate).toBeLessThan(bytesPerSecond * 1.25);
});

it('the other direction is not held back, nor is anything without a limit', async () => {
  const [a, b] = [await node({ bandwidth: limited('up') }), await node()];
  // So much that a busy machine has the time of the limit for it: many seconds.
  expect(await sendAll(b, a, 10 * count)).toBeGreaterThan(bytesPerSecond * 1.25);
});
