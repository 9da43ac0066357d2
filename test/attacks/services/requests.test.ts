import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Hono } from 'hono';
import { describe, expect, it, onTestFinished } from 'vitest';
import { addTreeRoutes } from '../../../src/controller/page/tree-routes.ts';
import type { HttpEnv } from '../../../src/http/env.ts';
import { feedApp } from '../../../src/http/feed.ts';
import { type HttpServer, listenHttp } from '../../../src/http/listen.ts';
import { ask, bundleName, raw, viewOf } from '../../http/support.ts';

const tree = `bafybei${'a'.repeat(52)}`;
const charter = `/v1/${viewOf().project}/charter`;

/** The feed and the downloads of a controller, and what its stores and files were asked for. */
async function served(bodyBytesMax = 0, idleMs = 500) {
  const asked: string[] = [];
  const note = <T>(name: string, answer: T) => {
    asked.push(name);
    return answer;
  };
  const app = new Hono<HttpEnv>();
  app.route('/', feedApp(viewOf({ bundle: async (which) => note(which, '{}') })));
  app.post('/said', async (c) => c.text(note(await c.req.text(), 'taken')));
  addTreeRoutes(
    app,
    {
      isShown: () => true,
      isHere: () => true,
      level: () => 'trusted',
      entry: async (_: string, path: string) =>
        note(path, path === 'out/a.html' ? { kind: 'file', cid: 'bafkrei', size: 5, path } : undefined),
      file: async function* () {
        yield Buffer.from('<b>hi');
      },
    } as never,
    '1',
  );
  const server = await listenHttp({
    host: '127.0.0.1',
    port: 0,
    app,
    limits: { bodyBytesMax, requestsPerSecond: 1_000, requestsBurst: 1_000, idleMs },
  });
  onTestFinished(() => server.close());
  return { server, asked };
}

/** How many answers came to what was sent on one connection, and the first of them. */
async function answers(server: Pick<HttpServer, 'port'>, text: string) {
  const got = (await raw(server as HttpServer, text).ended).text;
  return { count: got.match(/HTTP\/1\.1 \d{3} /g)?.length ?? 0, status: Number(got.slice(9, 12)) };
}

const second = `GET ${charter} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;
const head = (method: string, ...lines: string[]) =>
  `${method} ${method === 'GET' ? charter : '/said'} HTTP/1.1\r\nHost: 127.0.0.1\r\n${lines.join('\r\n')}\r\n\r\n`;

/** Requests after which two readers disagree where the next one begins. */
const smuggled: [string, string][] = [
  ['both lengths', head('POST', 'Content-Length: 4', 'Transfer-Encoding: chunked') + `0\r\n\r\n${second}`],
  ['two lengths', head('POST', 'Content-Length: 0', `Content-Length: ${second.length}`) + second],
  ['a list of lengths', head('POST', 'Content-Length: 0, 5') + second],
  ['a length with a sign', head('POST', 'Content-Length: +5') + `hello${second}`],
  ['a hidden encoding', head('POST', 'Transfer-Encoding: xchunked') + second],
  ['an encoding after a space', head('POST', 'Transfer-Encoding : chunked') + `0\r\n\r\n${second}`],
  ['an encoding on a folded line', head('POST', 'Transfer-Encoding:\r\n chunked') + `0\r\n\r\n${second}`],
  ['two encodings', head('POST', 'Transfer-Encoding: chunked, identity') + `0\r\n\r\n${second}`],
  [
    'a chunk of a hidden size',
    head('POST', 'Transfer-Encoding: chunked') + `0x5\r\nhello\r\n0\r\n\r\n${second}`,
  ],
  ['a line end without its first half', head('POST', 'Content-Length: 5\nX: y') + `hello${second}`],
  ['a body of a GET', head('GET', `Content-Length: ${second.length}`) + second],
  ['a chunked body of a GET', head('GET', 'Transfer-Encoding: chunked') + `0\r\n\r\n${second}`],
  ['two hosts', `GET ${charter} HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n${second}`],
];

describe('a request in which another one hides', () => {
  it.each(smuggled)('by %s ends its connection: nothing after it is answered', async (_, text) => {
    const { server, asked } = await served(100);
    const { count, status } = await answers(server, text);
    expect(count).toBeLessThanOrEqual(1);
    expect(status === 0 || status >= 400, String(status)).toBe(true);
    expect(asked).toEqual([]);
  });

  it('would be answered by a server that goes on after what it refuses', async () => {
    const lax = createServer((request, response) => {
      response.writeHead(request.method === 'GET' ? 200 : 405).end();
    });
    Object.assign(lax, { keepAliveTimeout: 50, keepAliveTimeoutBuffer: 0 });
    await new Promise<void>((resolve) => lax.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void lax.close());
    const [, text = ''] = smuggled.find(([name]) => name === 'a chunked body of a GET') ?? [];
    expect((await answers(lax.address() as AddressInfo, text)).count).toBe(2);
  });

  it('is none where its length is said once: the next one is answered', async () => {
    const { server, asked } = await served(100, 60_000);
    const last = head('GET', 'Connection: close');
    const both = `${head('POST', 'Content-Length: 5', 'Content-Type: text/plain')}hello${last}`;
    expect(await answers(server, both)).toEqual({ count: 2, status: 200 });
    expect(asked).toEqual(['hello']);
  });
});

describe('a path that leads out', () => {
  it.each([
    `/v1/${viewOf().project}/bundle/../../../../etc/passwd`,
    `/v1/${viewOf().project}/bundle/%2e%2e%2f${bundleName}`,
    `/v1/${viewOf().project}/bundle/${bundleName}%00.json`,
    `/v1/${viewOf().project}/bundle/${bundleName}/`,
    `/v1/${viewOf().project}/bundle/${bundleName}?x=1`,
    `/v1/${viewOf().project}/./bundle/${bundleName}`,
    `/v1/${viewOf().project}\\bundle\\${bundleName}`,
    `//v1/${viewOf().project}/bundle/${bundleName}`,
    `http://evil.example/v1/${viewOf().project}/bundle/${bundleName}`,
    `/v1/${viewOf().project}/bundle/${bundleName.toUpperCase()}`,
  ])('%s is not found, and nothing is looked for', async (target) => {
    const { server, asked } = await served();
    const text = `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`;
    expect((await answers(server, text)).status).toBeGreaterThanOrEqual(400);
    expect(asked).toEqual([]);
  });

  it('is the name of an entry of a tree to a download, and of nothing on the disk', async () => {
    const { server, asked } = await served();
    const file = (path: string) => ask(server, `/trees/${tree}/file?path=${encodeURIComponent(path)}`);
    for (const path of ['../../etc/passwd', '/etc/passwd', 'out/../../x', 'out\\a.html', 'out/a.html\0'])
      expect((await file(path)).status).toBe(404);
    expect(asked).toHaveLength(5);
    expect((await file('x'.repeat(10_000))).status).toBeGreaterThanOrEqual(400);
    expect(asked).toHaveLength(5);
  });

  it('gives a file for a browser to keep, and not to show', async () => {
    const { server } = await served();
    const { status, headers } = await ask(server, `/trees/${tree}/file?path=out%2Fa.html`);
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'content-security-policy': expect.stringContaining("frame-ancestors 'none'"),
    });
    expect(headers['content-disposition']).toMatch(/^attachment/);
  });
});

describe('a client that takes long', () => {
  it('to send its body is cut off, and the next one is served', async () => {
    const { server, asked } = await served(1_000);
    const slow = raw(server, head('POST', 'Content-Length: 1000') + 'x');
    const timer = setInterval(() => slow.socket.write('x'), 100);
    onTestFinished(() => clearInterval(timer));
    await slow.ended;
    expect(asked).toEqual([]);
    expect((await ask(server, charter)).status).toBe(200);
  });

  it('with a body above the limit is told so before it has sent any of it', async () => {
    const { server, asked } = await served(100);
    const large = raw(server, head('POST', `Content-Length: ${10 ** 12}`));
    expect((await large.ended).text).toMatch(/^HTTP\/1\.1 413 /);
    expect(asked).toEqual([]);
  });
});
