import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { sandboxLimits } from '../../../sandbox/limits.ts';
import { bridgeToProxy, inNetworkNamespace, proxyPort } from '../../../sandbox/net/proxy-bridge.ts';
import { tempFolder } from '../support.ts';

/** A proxy at a unix socket. */
async function proxy(onConnection: (socket: Socket) => void): Promise<string> {
  const folder = await tempFolder();
  const path = join(folder.path, 'proxy.sock');
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    onConnection(socket);
  });
  onTestFinished(async () => {
    server.close();
    await folder.remove();
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return path;
}

const upperCase = (socket: Socket): void => {
  let got = '';
  socket.on('data', (chunk) => {
    got += chunk;
  });
  socket.once('end', () => void socket.end(got.toUpperCase()));
};

/** A build's process that hands over its listening socket. */
async function bridged(path: string) {
  const child = Object.assign(new EventEmitter(), {
    connected: true,
    sent: [] as string[],
    send: (word: string) => child.sent.push(word),
  });
  bridgeToProxy(child as unknown as ChildProcess, path);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  child.emit('message', 'listening', server);
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  return { child, server, open: () => connect({ port, host: '127.0.0.1' }) };
}

const closed = (socket: Socket): Promise<unknown> =>
  new Promise((resolve) =>
    socket
      .on('error', () => {})
      .once('end', () => socket.destroy())
      .once('close', resolve),
  );

describe('a build’s connections to the proxy', () => {
  it('are made in its network, which has nothing else, and end with it', async () => {
    const path = await proxy(upperCase);
    const script =
      `use Socket; socket(S,PF_INET,SOCK_STREAM,0); connect(S,sockaddr_in(${proxyPort},INADDR_LOOPBACK)) or die; ` +
      'syswrite S,"all of it"; shutdown S,1; print while <S>; print "\\n", join(" ", grep { /CHANNEL/ } keys %ENV); exit 5;';
    const [file = '', ...words] = inNetworkNamespace(['perl', '-e', script]);
    const child = spawn(file, words, {
      cwd: '/',
      env: { PATH: '/usr/bin:/bin' },
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    bridgeToProxy(child, path);
    const exit = once(child, 'exit');
    // It has no variable of the channel.
    expect(await text(child.stdout as Readable)).toBe('ALL OF IT\n');
    expect(await exit).toEqual([5, null]);
  });

  it('are none where the worker is gone before it has them, and the command runs all the same', async () => {
    const [file = '', ...words] = inNetworkNamespace(['sh', '-c', 'exit 5']);
    const child = spawn(file, words, {
      cwd: '/',
      env: { PATH: '/usr/bin:/bin' },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    child.once('message', (_, handle) => {
      (handle as Server).close();
      child.disconnect();
    });
    expect(await once(child, 'exit')).toEqual([5, null]);
  });

  it('are confirmed, pass both directions and the end of each', async () => {
    const { child, open } = await bridged(await proxy(upperCase));
    expect(child.sent).toEqual(['taken']);
    const client = open();
    client.end('abc');
    expect(await text(client)).toBe('ABC');
  });

  it('go on where the system could not hand one over', async () => {
    const { open, server } = await bridged(await proxy(upperCase));
    server.emit('error', new Error('accept ENOBUFS'));
    const client = open();
    client.end('hello');
    expect(await text(client)).toBe('HELLO');
  });

  it('are gone when one side breaks off', async () => {
    const sides: Socket[] = [];
    const { open } = await bridged(await proxy((socket) => sides.push(socket)));
    const first = open();
    first.write('x');
    await expect.poll(() => sides.length).toBe(1);
    sides[0]?.destroy();
    await closed(first.resume());
    const second = open();
    second.write('x');
    await expect.poll(() => sides.length).toBe(2);
    const gone = closed((sides[1] as Socket).resume());
    second.resetAndDestroy();
    await gone;
  });

  it('are closed where there is no proxy', async () => {
    const { open } = await bridged('/nothing/there');
    await closed(open().resume());
  });

  it.each(['exit', 'error'])(
    'are gone when the build’s process has its %s, and no more are taken',
    async (end) => {
      const sides: Socket[] = [];
      const { child, server, open } = await bridged(await proxy((socket) => sides.push(socket)));
      const client = open();
      client.write('x');
      await expect.poll(() => sides.length).toBe(1);
      const both = [closed(client.resume()), closed((sides[0] as Socket).resume())];
      child.emit(end);
      await Promise.all(both);
      expect(server.listening).toBe(false);
      child.emit('exit');
    },
  );

  it('are not confirmed to a process that has ended meanwhile, or has never listened', async () => {
    const child = Object.assign(new EventEmitter(), { connected: false, send: () => expect.unreachable() });
    bridgeToProxy(child as unknown as ChildProcess, '/nothing/there');
    const server = createServer();
    child.emit('exit');
    child.emit('message', 'listening', server);
    expect(server.maxConnections).toBe(sandboxLimits.egressConnectionsMax);
  });

  it('are taken up to a number in all, those that were too many at once with them', async () => {
    const { server } = await bridged(await proxy((socket) => socket.resume()));
    const connection = (): Socket => {
      const socket = connect({ path: '/nothing/there' });
      socket.on('error', () => {});
      return socket;
    };
    for (let n = 1; n < sandboxLimits.egressConnectionsTotalMax; n++) server.emit('drop');
    expect(server.listening).toBe(true);
    server.emit('connection', connection());
    expect(server.listening).toBe(false);
  });
});
