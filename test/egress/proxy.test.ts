import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { egressLimits } from '../../src/egress/limits.ts';
import { deadlineMs } from '../e2e/support/wait.ts';
import { listen } from '../source/support.ts';
import { codesOf, connectTo, egressTo, MiB, say } from './support.ts';

async function web(answer: RequestListener): Promise<number> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const echo = () => listen((socket) => socket.pipe(socket));

describe('CONNECT', () => {
  it('makes a tunnel to what is allowed, and counts what goes through', async () => {
    const port = await listen((socket) => {
      socket.once('data', (chunk) => socket.end(`you said ${chunk.toString()}`));
    });
    const egress = await egressTo(port);
    const answer = await say(egress, connectTo(`127.0.0.1:${port}`, 'hello'));
    expect(answer).toBe('HTTP/1.1 200 Connection established\r\n\r\nyou said hello');
    expect(egress.counts).toEqual({ connections: 1, refused: 0, received: 14, sent: 5 });
  });

  it('brings all of what a server sends before it hangs up', async () => {
    const bytes = randomBytes(700_000);
    const port = await listen((socket) => socket.end(bytes));
    const answer = await say(await egressTo(port), connectTo(`127.0.0.1:${port}`));
    expect(answer.length).toBe('HTTP/1.1 200 Connection established\r\n\r\n'.length + bytes.length);
  });

  it.each([
    ['another port', '127.0.0.1:1'],
    ['another host', 'localhost:PORT'],
    ['another spelling of the host', '0x7f.1:PORT'],
    ['nothing', ''],
    ['no port', '127.0.0.1'],
    ['a port there is not', '127.0.0.1:99999'],
    ['a user', 'a@127.0.0.1:PORT'],
  ])('to %s is refused and told', async (_, host) => {
    let asked = 0;
    const port = await listen(() => {
      asked++;
    });
    const told: string[] = [];
    const egress = await egressTo(port, { onRefusal: ({ code }) => told.push(code) });
    expect(await say(egress, connectTo(host.replace('PORT', String(port))))).toMatch(/^HTTP\/1.1 403 /);
    expect(told).toEqual(['EGRESS_NOT_ALLOWED']);
    expect(egress.counts.refused).toBe(1);
    expect(asked).toBe(0);
  });

  it('to a server that is not there says so', async () => {
    const egress = await egressTo(1);
    expect(await say(egress, connectTo('127.0.0.1:1'))).toMatch(/^HTTP\/1.1 502 /);
    expect(codesOf(egress)).toEqual(['EGRESS_UNREACHABLE']);
  });

  it('to a name that nobody knows says so', async () => {
    const target = [{ host: 'git.example', port: 80 }];
    const resolve = () => Promise.reject(new Error('ENOTFOUND'));
    const egress = await egressTo(1, { targets: target, resolve });
    expect(await say(egress, connectTo('git.example:80'))).toMatch(/^HTTP\/1.1 502 /);
    expect(codesOf(egress)).toEqual(['EGRESS_UNREACHABLE']);
  });
});

describe('a connection of this process', () => {
  it('goes where a tunnel may, is counted as one, and is refused with the reason', async () => {
    const port = await listen((socket) => socket.end('hello'));
    const egress = await egressTo(port);
    expect(await text(await egress.connect({ host: '127.0.0.1', port }))).toBe('hello');
    for (const target of [
      { host: '127.0.0.1', port: port - 1 },
      { host: 'other.example', port },
    ])
      await expect(egress.connect(target)).rejects.toMatchObject({ code: 'EGRESS_NOT_ALLOWED' });
    expect(codesOf(egress)).toEqual(['EGRESS_NOT_ALLOWED', 'EGRESS_NOT_ALLOWED']);
    expect(egress.counts).toEqual({ connections: 3, refused: 2, received: 5, sent: 0 });
  });

  it('whose server is not there is refused too', async () => {
    const egress = await egressTo(1);
    await expect(egress.connect({ host: '127.0.0.1', port: 1 })).rejects.toMatchObject({
      code: 'EGRESS_UNREACHABLE',
    });
  });
});

describe('a plain request', () => {
  it('is passed on with its body, and its answer back as it is', async () => {
    const port = await web((request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        response.writeHead(201, { 'content-type': 'text/odd', 'x-own': 'yes' });
        response.end(
          JSON.stringify({ url: request.url, host: request.headers.host, body, all: request.headers }),
        );
      });
    });
    const egress = await egressTo(port);
    const answer = await say(
      egress,
      `POST http://127.0.0.1:${port}/a?b HTTP/1.1\r\nHost: other\r\nProxy-Authorization: secret\r\nProxy-Connection: keep-alive\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody`,
    );
    expect(answer).toMatch(/^HTTP\/1.1 201 Created\r\ncontent-type: text\/odd\r\nx-own: yes\r\n/);
    expect(answer).toContain(`"url":"/a?b","host":"127.0.0.1:${port}","body":"body"`);
    expect(answer).not.toContain('secret');
    expect(answer).not.toContain('roxy-');
    expect(egress.counts.sent).toBeGreaterThan(4);
  });

  it('says nothing to the server that is between client and proxy only, and smuggles no second request', async () => {
    const seen: string[] = [];
    const port = await web((request, response) => {
      seen.push(`${request.method} ${request.url} ${request.headers.own ?? 'gone'}`);
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => response.end(`got ${body}`));
    });
    const inner = `GET /smuggled HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`;
    const answer = await say(
      await egressTo(port),
      `GET http://127.0.0.1:${port}/a HTTP/1.1\r\nHost: a\r\nOwn: secret\r\nConnection: close, Own\r\nTransfer-Encoding: chunked\r\n\r\n${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`,
    );
    expect(answer).toContain('got GET /smuggled');
    expect(seen).toEqual(['GET /a gone']);
  });

  it('with two lengths of its body is refused', async () => {
    let asked = 0;
    const port = await web((_, response) => {
      asked++;
      response.end();
    });
    const both = 'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n';
    const egress = await egressTo(port);
    const post = `POST http://127.0.0.1:${port}/ HTTP/1.1\r\nHost: a\r\n${both}`;
    expect(await say(egress, post)).toMatch(/^HTTP\/1.1 400 /);
    expect(codesOf(egress)).toEqual(['EGRESS_NOT_ALLOWED']);
    expect(asked).toBe(0);
  });

  it('counts its headers as sent', async () => {
    const port = await web((_, response) => response.end());
    const egress = await egressTo(port, { sentBytesMax: 5000 });
    const get = `GET http://127.0.0.1:${port}/ HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(6000)}\r\nConnection: close\r\n\r\n`;
    await say(egress, get);
    expect(codesOf(egress)).toContain('EGRESS_LIMIT_EXCEEDED');
  });

  it('that is none, but another protocol, is refused and told', async () => {
    const egress = await egressTo(await echo());
    for (const text of ['SSH-2.0-OpenSSH_9\r\n', '\x16\x03\x01\x02\x00\x01', '\x05\x01\x00'])
      expect(await say(egress, text)).toMatch(/^HTTP\/1.1 400 /);
    expect(codesOf(egress)).toEqual(Array(3).fill('EGRESS_NOT_ALLOWED'));
  });

  it('that is answered by a redirect is not followed', async () => {
    let elsewhere = 0;
    const other = await web((_, response) => {
      elsewhere++;
      response.end();
    });
    const port = await web((_, response) =>
      response.writeHead(302, { location: `http://127.0.0.1:${other}/` }).end(),
    );
    const egress = await egressTo(port);
    const get = (to: number) =>
      `GET http://127.0.0.1:${to}/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
    expect(await say(egress, get(port))).toContain(`location: http://127.0.0.1:${other}/`);
    expect(await say(egress, get(other))).toMatch(/^HTTP\/1.1 403 /);
    expect(elsewhere).toBe(0);
  });

  it.each(['/path', 'https://127.0.0.1:PORT/', 'http://u:p@127.0.0.1:PORT/', 'ftp://127.0.0.1:PORT/', '*'])(
    'for %s is refused',
    async (target) => {
      const port = await web((_, response) => response.end('reached'));
      const egress = await egressTo(port);
      const url = target.replace('PORT', String(port));
      const answer = await say(
        egress,
        `GET ${url} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`,
      );
      expect(answer).toMatch(/^HTTP\/1.1 403 /);
      expect(codesOf(egress)).toEqual(['EGRESS_NOT_ALLOWED']);
    },
  );

  it('whose server only says 1xx, or rubbish, ends', async () => {
    const interim = await listen((socket) => {
      for (let n = 0; n < 40; n++) socket.write('HTTP/1.1 103 Early Hints\r\n\r\n');
    });
    const rubbish = await listen((socket) => socket.end(randomBytes(5000)));
    for (const port of [interim, rubbish]) {
      const egress = await egressTo(port);
      const get = `GET http://127.0.0.1:${port}/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
      expect(await say(egress, get)).toMatch(/^HTTP\/1.1 502 /);
    }
  });
});

describe('bounds', () => {
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

  it('on silence free whatever stands still: a client, a server, a half request', async () => {
    const port = await listen((socket) => socket.resume());
    const egress = await egressTo(port, { idleMs: 150 });
    await Promise.all([connectTo(`127.0.0.1:${port}`), '', 'CONNECT 127.0'].map((text) => say(egress, text)));
    // Also after a first request on a connection that is kept.
    const site = await web((_, response) => response.end('first'));
    const kept = await egressTo(site, { idleMs: 150 });
    const get = `GET http://127.0.0.1:${site}/ HTTP/1.1\r\nHost: a\r\n\r\n`;
    const half = `${get}POST http://127.0.0.1:${site}/ HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n`;
    const [twice] = await Promise.all([`${get}${get}`, half].map((text) => say(kept, text)));
    expect(twice).toMatch(/first.*first$/s);
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
    const answer = await say(
      egress,
      `CONNECT a:1 HTTP/1.1\r\nX: ${'x'.repeat(egressLimits.headerBytesMax)}\r\n\r\n`,
    );
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

describe('closing', () => {
  it('ends what is open, on both sides, and the socket is gone', async () => {
    let [opened, closed] = [0, 0];
    const port = await listen((socket) => {
      opened++;
      socket.resume().on('close', () => closed++);
    });
    const egress = await egressTo(port);
    const open = say(egress, connectTo(`127.0.0.1:${port}`));
    await expect.poll(() => opened).toBe(1);
    await egress.close();
    await open;
    await expect.poll(() => closed).toBe(1);
    await expect(once(connect(egress.socket), 'connect')).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('is not needed by a socket whose path is too long: that is an error that says so', async () => {
    await expect(egressTo(1, { dir: `/tmp/${'d'.repeat(200)}` })).rejects.toMatchObject({
      code: 'EGRESS_UNAVAILABLE',
    });
  });
});
