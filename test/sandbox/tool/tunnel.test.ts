import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { groupPrefix } from '../../../sandbox/cgroups/leftovers.ts';
import { findCgroupParents, readHierarchies } from '../../../sandbox/cgroups/parents.ts';
import { openToolSandbox, type ToolSandbox } from '../../../sandbox/index.ts';
import { tunnelPaths } from '../../../sandbox/tool/tunnel.ts';
import { MiB, tempFolder } from '../support.ts';

describe('the tunnel', () => {
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  let tool: ToolSandbox;
  const servers: ReturnType<typeof createServer>[] = [];

  beforeEach(async () => {
    folder = await tempFolder();
    const scratch = join(folder.path, 'scratch');
    await mkdir(scratch, { mode: 0o700 });
    const limits = { cpus: 1, memoryBytes: 512 * MiB };
    tool = openToolSandbox({ stateDir: folder.path, scratch, limits });
  });
  afterEach(async () => {
    for (const server of servers.splice(0)) server.close();
    await tool.close();
    await rm(folder.path, { recursive: true });
  });

  /** A proxy, and how many connections it has had. */
  async function proxy(onConnection: (socket: Socket) => void): Promise<() => number> {
    let count = 0;
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      count++;
      socket.on('error', () => {});
      onConnection(socket);
    });
    servers.push(server);
    await new Promise<void>((resolve) =>
      server.listen({ path: join(tool.net, 'proxy.sock'), writableAll: true }, resolve),
    );
    return () => count;
  }

  /** Sends `head` for the first bytes up to an empty line, and afterwards what comes. */
  const answering = (head: string, heads: string[]) => (socket: Socket) => {
    let seen = '';
    const onData = (chunk: Buffer): void => {
      seen += chunk;
      if (!seen.includes('\r\n\r\n')) return;
      heads.push(seen);
      socket.off('data', onData);
      // In two pieces, the second with bytes of the server.
      socket.write(head.slice(0, 9));
      setImmediate(() => {
        socket.write(head.slice(9));
        socket.pipe(socket);
      });
    };
    socket.on('data', onData);
  };

  async function run(command: string[], reach: 'command' | 'loopback', input = '') {
    const [file = '', ...words] = tool.wrap(command, reach);
    // spawn hands NODE_V8_COVERAGE on unless it is named: the folder is not in the sandbox, and Node would complain of it.
    const env = { PATH: '/usr/bin:/bin', NODE_V8_COVERAGE: undefined };
    const child = spawn(file, words, { cwd: '/', env, stdio: 'pipe' });
    child.stdin.on('error', () => {}).end(input);
    const code = new Promise((resolve) => child.once('exit', resolve));
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
    return { code: await code, out, err };
  }

  it.each([
    ['a.example', 'a.example:9418'],
    ['2001:db8::1', '[2001:db8::1]:9418'],
    ['[2001:db8::1]', '[2001:db8::1]:9418'],
  ])('reaches %s through the proxy, and loses no byte', async (host, named) => {
    const heads: string[] = [];
    await proxy(answering('HTTP/1.1 200 OK\r\nVia: a\r\n\r\nfirst ', heads));
    const ran = await run([tunnelPaths.tunnel, host, '9418'], 'command', 'what git says');
    expect(ran).toEqual({ code: 0, out: 'first what git says', err: '' });
    expect(heads).toEqual([`CONNECT ${named} HTTP/1.1\r\nHost: ${named}\r\n\r\n`]);
  });

  it('is held to the limits that its caller sets', () => {
    expect(tool.outOfMemory()).toBe(false);
    expect(tool.limit({ cpus: 1, memoryBytes: 512 * MiB })).toBe(true);
    expect(tool.limit({ cpus: 0.5, memoryBytes: 256 * MiB })).toBe(true);
    // A tool has no more than 2 GiB, and 64 processes.
    expect(tool.limit({ cpus: 0.5, memoryBytes: 2 ** 50 })).toBe(true);
    const { parents } = findCgroupParents(readHierarchies());
    const held = (controller: 'memory' | 'pids', files: string[]) =>
      parents
        .filter(({ controllers }) => controllers.includes(controller))
        .flatMap(({ path }) =>
          readdirSync(path)
            .filter((name) => name.startsWith(`${groupPrefix}${process.pid}-`))
            .flatMap((name) =>
              files.map((file) => join(path, name, file)).filter((file) => existsSync(file)),
            ),
        )
        .map((file) => Number(readFileSync(file, 'utf8')));
    expect(held('memory', ['memory.max', 'memory.limit_in_bytes'])).toContain(2048 * MiB);
    expect(held('pids', ['pids.max'])).toContain(64);
  });

  it('says why there is no connection', async () => {
    const tunnel = [tunnelPaths.tunnel, 'a', '1'];
    const gone = await run(tunnel, 'command');
    expect(gone).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringMatching(/^quorate: the proxy is gone: /),
    });
    await proxy(answering('HTTP/1.1 403 Forbidden\r\n\r\nbody', []));
    expect(await run(tunnel, 'command')).toEqual({
      code: 1,
      out: '',
      err: 'quorate: the proxy refused: HTTP/1.1 403 Forbidden\n',
    });
    servers.splice(0)[0]?.close();
    await proxy((socket) => void socket.end('HTTP/1.1 200'));
    const hungUp = await run(tunnel, 'command');
    expect(hungUp).toEqual({ code: 1, out: '', err: 'quorate: the proxy hung up\n' });
  });

  it('serves the loopback while a command runs, several connections at once, and ends with it', async () => {
    const count = await proxy((socket) => socket.pipe(socket));
    const script =
      'exec 3<>/dev/tcp/127.0.0.1/3128 4<>/dev/tcp/127.0.0.1/3128; echo three >&3; echo four >&4; ' +
      'read -r a <&4; read -r b <&3; echo "$a $b"; exit 7';
    expect(await run(['bash', '-c', script], 'loopback')).toEqual({ code: 7, out: 'four three\n', err: '' });
    expect(count()).toBe(2);
    expect(await run(['/no/such'], 'loopback')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^quorate: .*\/no\/such/m),
    });
  });

  it('ends a connection to the loopback when the proxy ends it, after its last byte', async () => {
    await proxy((socket) => void socket.end('last'));
    const script = 'exec 3<>/dev/tcp/127.0.0.1/3128; cat <&3';
    expect(await run(['bash', '-c', script], 'loopback')).toEqual({ code: 0, out: 'last', err: '' });
    // Without a proxy there is an end too.
    servers.splice(0)[0]?.close();
    expect(await run(['bash', '-c', script], 'loopback')).toEqual({ code: 0, out: '', err: '' });
  });

  it('goes on after a client of the loopback that resets its connection', async () => {
    await proxy((socket) => socket.pipe(socket));
    const client =
      'use Socket; sub c { socket($s,PF_INET,SOCK_STREAM,0); connect($s,sockaddr_in(3128,INADDR_LOOPBACK)) or die; ' +
      'syswrite $s,"all"; sysread $s,$b,3 } c; setsockopt $s,SOL_SOCKET,SO_LINGER,pack("ii",1,0); close $s; c; print $b;';
    expect(await run(['perl', '-e', client], 'loopback')).toEqual({ code: 0, out: 'all', err: '' });
  });

  it('hands on the end of what a client of the loopback sends, and then the answer', async () => {
    await proxy((socket) => {
      let got = '';
      socket.on('data', (chunk) => {
        got += chunk;
      });
      socket.once('end', () => void socket.end(`got ${got}`));
    });
    const client =
      'use Socket; socket(S,PF_INET,SOCK_STREAM,0); connect(S,sockaddr_in(3128,INADDR_LOOPBACK)) or die; ' +
      'syswrite S,"all"; shutdown S,1; print while <S>;';
    expect(await run(['perl', '-e', client], 'loopback')).toEqual({ code: 0, out: 'got all', err: '' });
  });
});
