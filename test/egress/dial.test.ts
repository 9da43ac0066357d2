import { connect, createServer, Socket } from 'node:net';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { dial } from '../../src/egress/dial.ts';
import { QuorateError } from '../../src/protocol/base/errors.ts';

async function listening(): Promise<number> {
  const server = createServer((socket) => socket.destroy());
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

it('connects to the first of four addresses that accepts', async () => {
  const port = await listening();
  const tried: string[] = [];
  const via = (address: string) => {
    tried.push(address);
    return connect({ host: address, port });
  };
  const target = { host: 'a.example', port };
  const socket = await dial(['127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.1'], target, via);
  socket.destroy();
  expect(tried).toEqual(['127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.1']);
  const others = ['127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5', '127.0.0.1'];
  await expect(dial(others, target, via)).rejects.toMatchObject({
    code: 'EGRESS_UNREACHABLE',
    message: expect.stringContaining('ECONNREFUSED'),
  });
});

it('has the reason of the last address, where a limit refused it', async () => {
  const port = await listening();
  const via = (address: string) => {
    if (address !== '127.0.0.1') throw new QuorateError('EGRESS_HOST_LIMIT', `${address} has had enough`);
    return connect({ host: address, port });
  };
  const target = { host: 'a.example', port };
  (await dial(['127.0.0.2', '127.0.0.1'], target, via)).destroy();
  await expect(dial(['127.0.0.2', '127.0.0.3'], target, via)).rejects.toMatchObject({
    code: 'EGRESS_HOST_LIMIT',
    message: '127.0.0.3 has had enough',
  });
});

describe('a dial', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
  });
  const target = { host: 'a.example', port: 1 };

  it('gives up an address that does not answer within ten seconds', async () => {
    const silent = new Socket();
    const dialled = dial(['192.0.2.1'], target, () => silent).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(9_999);
    expect(silent.destroyed).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await dialled).toMatchObject({
      code: 'EGRESS_UNREACHABLE',
      message: 'no connection to a.example:1: timed out',
    });
  });

  it('fails with a connection that closes before it is open, and leaves no timer', async () => {
    const closing = new Socket();
    const dialled = dial(['192.0.2.1'], target, () => closing);
    closing.destroy();
    await expect(dialled).rejects.toThrow('connection closed');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('leaves the connection without a timer, and its errors to who has it', async () => {
    const port = await listening();
    const socket = await dial(['127.0.0.1'], { ...target, port }, (host) => connect({ host, port }));
    expect([vi.getTimerCount(), socket.listenerCount('error')]).toEqual([0, 0]);
    socket.destroy();
  });
});
