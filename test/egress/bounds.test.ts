import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, Server } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { egressLimits } from '../../src/egress/limits.ts';
import { deadlineMs } from '../e2e/support/wait.ts';
import { listen } from '../source/support.ts';
import { codesOf, connectTo, echo, egressTo, MiB, say, web } from './support.ts';

describe('bounds of a proxy', () => {
  it.each(['sentBytesMax', 'receivedBytesMax'] as const)('%s may be reached, and no more', async (max) => {
    const port = await echo();
    const egress = await egressTo(port, { [max]: 5 });
    const target = { host: '127.0.0.1', port };
    const first = await egress.connect(target);
    first.write('12345');
    expect(String(await once(first, 'data'))).toBe('12345');
    const second = await egress.connect(target);
    expect(codesOf(egress)).toEqual([]);
    const closed = [first, second].map(
      (one) =>
        new Promise((resolve) =>
          one
            .resume()
            .on('error', () => {})
            .once('close', resolve),
        ),
    );
    second.write('6');
    await Promise.all(closed);
    await expect(egress.connect(target)).rejects.toMatchObject({ code: 'EGRESS_LIMIT_EXCEEDED' });
    expect(codesOf(egress)).toEqual(['EGRESS_LIMIT_EXCEEDED', 'EGRESS_LIMIT_EXCEEDED']);
  });

  it('on what is sent are 16 MiB by default', async () => {
    const port = await listen((socket) => socket.resume());
    const egress = await egressTo(port);
    const tunnel = await egress.connect({ host: '127.0.0.1', port });
    await new Promise((resolve) => tunnel.write(Buffer.alloc(16 * MiB), resolve));
    expect(codesOf(egress)).toEqual([]);
    tunnel.on('error', () => {});
    tunnel.write('x');
    expect(codesOf(egress)).toEqual(['EGRESS_LIMIT_EXCEEDED']);
  });

  it('on connections in all are 256 by default', async () => {
    const egress = await egressTo(1);
    const fail = () => egress.connect({ host: 'b', port: 1 }).catch(() => {});
    for (let n = 0; n < 256; n++) await fail();
    expect(existsSync(egress.socket)).toBe(true);
    await fail();
    await expect.poll(() => existsSync(egress.socket)).toBe(false);
  });

  it.each([
    ['requests', (url: string) => `GET ${url} HTTP/1.1\r\nHost: a\r\n\r\n`.repeat(500)],
    [
      'requests of HTTP/1.0',
      (url: string) => `GET ${url} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`.repeat(500),
    ],
    ['tunnel', (url: string) => `GET ${url} HTTP/1.1\r\nHost: a\r\n\r\n${connectTo(new URL(url).host)}`],
  ])('on connections are not passed by more %s on one of them', async (_, words) => {
    let connections = 0;
    const port = await listen((socket) => {
      connections++;
      socket.resume();
    });
    const egress = await egressTo(port, { connectionsMax: 1 });
    expect(await say(egress, words(`http://127.0.0.1:${port}/`))).toBe('');
    expect(connections).toBeLessThanOrEqual(1);
    const fair = await web((_, response) => void response.end('hello'));
    expect(
      await say(await egressTo(fair), `GET http://127.0.0.1:${fair}/ HTTP/1.1\r\nHost: a\r\n\r\n`),
    ).toMatch(/\r\nconnection: close\r\n.*hello/is);
  });

  it('on what is received cut every connection, and no other is made', async () => {
    const port = await listen((socket) => {
      const more = (): void => {
        while (socket.writable && socket.write(Buffer.alloc(65_536)));
      };
      socket.on('drain', more);
      more();
    });
    const egress = await egressTo(port);
    expect((await say(egress, connectTo(`127.0.0.1:${port}`))).length).toBeLessThan(3 * MiB);
    expect(await say(egress, connectTo(`127.0.0.1:${port}`))).toMatch(/^HTTP\/1.1 403 /);
    expect(codesOf(egress)).toEqual(['EGRESS_LIMIT_EXCEEDED', 'EGRESS_LIMIT_EXCEEDED']);
  });

  it('on what is sent hold as well, for tunnels and for requests', async () => {
    const tunnel = await listen((socket) => socket.resume());
    const site = await web((request) => request.resume());
    for (const [port, head] of [
      [tunnel, connectTo(`127.0.0.1:${tunnel}`)],
      [site, `POST http://127.0.0.1:${site}/ HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n`],
    ] as const) {
      const egress = await egressTo(port, { sentBytesMax: 10_000 });
      await say(egress, Buffer.concat([Buffer.from(head), Buffer.alloc(50_000)]));
      expect(codesOf(egress)).toContain('EGRESS_LIMIT_EXCEEDED');
    }
  });

  it('are outlived by it where the system could not hand a connection over', async () => {
    const listening = vi.spyOn(Server.prototype, 'listen');
    onTestFinished(() => listening.mockRestore());
    const port = await echo();
    const egress = await egressTo(port);
    const proxy = (listening.mock.contexts as Server[]).at(-1);
    for (let n = 0; n < 2; n++) proxy?.emit('error', new Error('accept ENOBUFS'));
    (await egress.connect({ host: '127.0.0.1', port })).destroy();
  });

  it('on silence free whatever stands still: a client, a server, a half request', async () => {
    const port = await listen((socket) => socket.resume());
    const egress = await egressTo(port, { idleMs: 150 });
    await Promise.all([connectTo(`127.0.0.1:${port}`), '', 'CONNECT 127.0'].map((text) => say(egress, text)));
    const site = await web(() => {});
    const half = `POST http://127.0.0.1:${site}/ HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n`;
    await say(await egressTo(site, { idleMs: 150 }), half);
  });

  it('on memory hold for a client that never reads: its server waits', async () => {
    let written = 0;
    const gone = Promise.withResolvers<void>();
    const port = await listen((socket) => {
      socket.once('close', () => gone.resolve());
      const more = (): void => {
        while (socket.writable && socket.write(Buffer.alloc(65_536))) written += 65_536;
      };
      socket.on('drain', more);
      more();
    });
    const egress = await egressTo(port, { idleMs: 400, receivedBytesMax: 1024 * MiB });
    const client = connect(egress.socket);
    client.pause();
    client.write(connectTo(`127.0.0.1:${port}`));
    client.on('error', () => {});
    await expect.poll(() => written, { timeout: 120_000 }).toBeGreaterThan(0);
    const closed = once(client, 'close');
    await expect.poll(() => egress.counts.received, { timeout: 120_000 }).toBeGreaterThan(0);
    // The server's side stands still for longer than it may, and is closed.
    await gone.promise;
    // Bytes in flight are then read; the tunnel is gone.
    client.resume();
    await closed;
    expect(egress.counts.received).toBeLessThan(32 * MiB);
  });

  it('on connections at once hold; those after them are served', async () => {
    const port = await echo();
    const egress = await egressTo(port);
    const many = Array.from({ length: egressLimits.connectionsMax + 4 }, () => connect(egress.socket));
    let closed = 0;
    const ended = many.map((socket) => {
      socket.on('error', () => {});
      socket.once('close', () => closed++);
      return once(socket, 'close');
    });
    await expect.poll(() => closed, { timeout: deadlineMs }).toBe(4);
    // Those that are left are served: none of them was closed meanwhile.
    const left = many.filter((socket) => !socket.closed);
    const answered = left.map(async (socket) => {
      socket.write(connectTo(`127.0.0.1:${port}`));
      const [first] = await once(socket, 'data');
      return String(first).slice(0, 12);
    });
    expect(await Promise.all(answered)).toEqual(left.map(() => 'HTTP/1.1 200'));
    expect(closed).toBe(4);
    for (const socket of many) socket.destroy();
    await Promise.all(ended);
    await expect
      .poll(async () => {
        const socket = connect(egress.socket);
        socket.write(connectTo(`127.0.0.1:${port}`));
        const [first] = await Promise.race([once(socket, 'data'), once(socket, 'close')]);
        socket.destroy();
        return String(first);
      })
      .toMatch(/^HTTP\/1.1 200 /);
  });

  it('on connections in all hold, those that were too many at once with them: then there is no socket', async () => {
    const egress = await egressTo(await echo(), { connectionsMax: 2, connectionsTotalMax: 5 });
    const knock = async (): Promise<string> => {
      const socket = connect(egress.socket);
      const failed = once(socket, 'error').then(([error]) => String((error as NodeJS.ErrnoException).code));
      return Promise.race([failed, once(socket, 'connect').then(() => 'connected')]);
    };
    for (let n = 0; n < 6; n++) expect(await knock()).toBe('connected');
    await expect.poll(knock).toBe('ENOENT');
    expect(codesOf(egress)).toEqual(['EGRESS_LIMIT_EXCEEDED']);
    await egress.close();
    await egress.close();
  });

  it('on headers hold', async () => {
    const egress = await egressTo(await echo());
    const answer = await say(egress, `CONNECT a:1 HTTP/1.1\r\nX: ${'x'.repeat(17 * 1024)}\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1.1 431 /);
    expect(codesOf(egress)).toEqual(['EGRESS_NOT_ALLOWED']);
  });

  it('on refusals that are told one by one hold', async () => {
    let told = 0;
    const egress = await egressTo(1, { onRefusal: () => told++ });
    for (let n = 0; n < egressLimits.refusalsListedMax + 3; n++) await say(egress, connectTo('b:1'));
    expect(told).toBe(egressLimits.refusalsListedMax);
    expect(egress.counts.refused).toBe(egressLimits.refusalsListedMax + 3);
  });
});
