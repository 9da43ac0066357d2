import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { listen } from '../source/support.ts';
import { codesOf, echo, egressTo, get, say, web } from './support.ts';

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
    const ask = (to: number) => say(egress, get(`http://127.0.0.1:${to}/`));
    expect(await ask(port)).toContain(`location: http://127.0.0.1:${other}/`);
    expect(await ask(other)).toMatch(/^HTTP\/1.1 403 /);
    expect(elsewhere).toBe(0);
  });

  it.each([
    ...['/path', 'https://127.0.0.1:PORT/', 'ftp://127.0.0.1:PORT/', '*'],
    ...['http://u:p@127.0.0.1:PORT/', 'http://u@127.0.0.1:PORT/', 'http://:p@127.0.0.1:PORT/'],
  ])('for %s is refused', async (target) => {
    const port = await web((_, response) => response.end('reached'));
    const egress = await egressTo(port);
    const url = target.replace('PORT', String(port));
    const answer = await say(
      egress,
      `GET ${url} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1.1 403 /);
    expect(codesOf(egress)).toEqual(['EGRESS_NOT_ALLOWED']);
  });

  it('without a port is for that of HTTP', async () => {
    const port = await web((_, response) => response.end('here'));
    const ports: number[] = [];
    const egress = await egressTo(port, {
      targets: [{ host: 'c', port: 80 }],
      resolve: async () => [{ address: '93.184.216.34' }],
      connect: (_, at) => {
        ports.push(at);
        return connect({ host: '127.0.0.1', port });
      },
    });
    expect(await say(egress, get('http://c/'))).toMatch(/here$/);
    expect(ports).toEqual([80]);
  });

  it('has up to sixteen interim answers', async () => {
    const interim = 'HTTP/1.1 103 Early Hints\r\n\r\n';
    const port = await listen((socket) => {
      socket.once('data', () =>
        socket.end(`${interim.repeat(16)}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast`),
      );
    });
    expect(await say(await egressTo(port), get(`http://127.0.0.1:${port}/`))).toMatch(/last$/);
  });

  it('to a server that only says 1xx, or rubbish, or another protocol, ends', async () => {
    const interim = await listen((socket) => {
      for (let n = 0; n < 17; n++) socket.write('HTTP/1.1 103 Early Hints\r\n\r\n');
    });
    const rubbish = await listen((socket) => socket.end(randomBytes(5000)));
    // An answer that is none of a request: its connection is closed without an error.
    const upgrade = await listen((socket) =>
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
    );
    for (const port of [interim, rubbish, upgrade]) {
      const egress = await egressTo(port, { idleMs: 600_000 });
      expect(await say(egress, get(`http://127.0.0.1:${port}/`))).toMatch(/^HTTP\/1.1 502 /);
    }
  });
});
