import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { exited, play, tempFolder } from '../../sandbox/support.ts';
import { sandboxWith } from './support.ts';

describe('a build that attacks other hosts', () => {
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  let server: Server;
  let received: string;
  beforeAll(async () => {
    folder = await tempFolder();
  });
  afterAll(() => folder.remove());
  beforeEach(() => {
    received = '';
    server = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (chunk) => {
        received += chunk.toString('latin1');
      });
    });
  });
  afterEach(() => new Promise((resolve) => server.close(resolve)));

  const withNetwork = { network: () => [] };

  it('reaches none of them over IP', async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const attack = [`bash -c 'echo attack > /dev/tcp/127.0.0.1/${port}'`];
    expect((await play(sandboxWith(folder.path), attack)).outcome).toEqual(exited(1));
    expect(received).toBe('');
    expect((await play(sandboxWith(folder.path, withNetwork), attack)).outcome).toEqual(exited(0));
    await expect.poll(() => received).toBe('attack\n');
  });

  it('reaches no abstract socket of the host, which no file permission guards', async () => {
    const name = `quorate-${randomUUID()}`;
    await new Promise<void>((resolve) => server.listen(`\0${name}`, resolve));
    const connect = `perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0) or die; connect(S, pack(q(Sa*), AF_UNIX, qq(\\0${name}))) or exit 4; syswrite S, q(attack)'`;
    expect((await play(sandboxWith(folder.path), [connect])).outcome).toEqual(exited(4));
    expect(received).toBe('');
    expect((await play(sandboxWith(folder.path, withNetwork), [connect])).outcome).toEqual(exited(0));
    await expect.poll(() => received).toBe('attack');
  });
});
