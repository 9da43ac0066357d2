import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { afterEach, expect, it, onTestFinished, vi } from 'vitest';
import { meteredConnect } from '../../src/egress/dial.ts';
import { Bandwidth } from '../../src/protocol/base/bandwidth.ts';

const bytesPerSecond = 400_000;
const open = new Set<{ destroy?(): void; close?(): void }>();

afterEach(() => {
  for (const one of open) (one.destroy ?? one.close)?.call(one);
  open.clear();
});

/** A server that sends, or that swallows, so much. */
async function server(serve: (socket: Socket) => void): Promise<number> {
  const listening = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => {});
    serve(socket);
  });
  open.add(listening);
  listening.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const address = listening.address();
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

async function received(bandwidth: Bandwidth, bytes = 800_000): Promise<number> {
  const port = await server((socket) => socket.end(new Uint8Array(bytes)));
  const began = performance.now();
  const socket = meteredConnect(bandwidth)('127.0.0.1', port);
  open.add(socket);
  let got = 0;
  socket.on('data', (chunk: Buffer) => {
    got += chunk.byteLength;
  });
  await once(socket, 'end');
  expect(got).toBe(bytes);
  return got / ((performance.now() - began) / 1000);
}

async function sent(bandwidth: Bandwidth, bytes = 800_000): Promise<number> {
  let got = 0;
  const port = await server((socket) =>
    socket.on('data', (chunk: Buffer) => {
      got += chunk.byteLength;
    }),
  );
  const began = performance.now();
  const socket = meteredConnect(bandwidth)('127.0.0.1', port);
  open.add(socket);
  for (let left = bytes; left > 0; left -= 50_000) socket.write(new Uint8Array(50_000));
  socket.end();
  await once(socket, 'close');
  expect(got).toBe(bytes);
  return got / ((performance.now() - began) / 1000);
}

it('reads and writes no more a second than it may, and loses nothing', async () => {
  const [reads, writes] = [new Bandwidth(), new Bandwidth()];
  reads.down.perSecond = bytesPerSecond;
  writes.up.perSecond = bytesPerSecond;
  for (const rate of await Promise.all([received(reads), sent(writes)]))
    expect(rate).toBeLessThan(bytesPerSecond * 1.25);
});

it('without a limit nothing waits', async () => {
  // So much that a busy machine has the time of the limit for it: many seconds.
  expect(await received(new Bandwidth(), 12_000_000)).toBeGreaterThan(bytesPerSecond * 1.25);
  expect(await sent(new Bandwidth(), 12_000_000)).toBeGreaterThan(bytesPerSecond * 1.25);
});

it('that is closed while it waits leaves no timer', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const bandwidth = new Bandwidth();
  bandwidth.down.perSecond = 1;
  const port = await server((socket) => socket.write('hello'));
  const socket = meteredConnect(bandwidth)('127.0.0.1', port);
  await once(socket, 'data');
  expect(vi.getTimerCount()).toBeGreaterThan(0);
  socket.destroy();
  await once(socket, 'close');
  expect(vi.getTimerCount()).toBe(0);
});
