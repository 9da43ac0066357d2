import { connect, createServer } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { dial } from '../../src/egress/dial.ts';

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
