import { Server } from 'node:http';
import { Hono } from 'hono';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Accounts } from '../../src/http/accounts.ts';
import { isKnownHost, namesIn } from '../../src/http/addresses.ts';
import type { HttpEnv } from '../../src/http/env.ts';
import { type ListenOptions, listenHttp } from '../../src/http/listen.ts';
import { TrustedProxies } from '../../src/http/trusted-proxies.ts';
import { ask, codeIn, raw } from './support.ts';

const small = () =>
  new Hono<HttpEnv>()
    .get('/', (c) => c.text('hello'))
    .get('/own', (c) => c.text('hello', 200, { 'content-security-policy': "default-src 'self'" }))
    .post('/length', async (c) => c.text(String((await c.req.text()).length)))
    .get('/broken', () => {
      throw new Error('/home/owner is gone');
    });

async function served(over: Partial<ListenOptions> = {}) {
  const server = await listenHttp({ host: '127.0.0.1', port: 0, app: small(), ...over });
  onTestFinished(() => server.close());
  return server;
}

describe('every answer', () => {
  it.each(['/', '/nothing', '//nothing', '/broken'])(
    '%s says what a browser may do with it',
    async (path) => {
      expect((await ask(await served(), path)).headers).toMatchObject({
        'content-security-policy': expect.stringMatching(/^default-src 'none';.*frame-ancestors 'none'$/),
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
      });
    },
  );

  it('keeps a header that its app has set', async () => {
    const { headers } = await ask(await served(), '/own');
    expect(headers['content-security-policy']).toBe("default-src 'self'");
  });

  it('tells an error as a page where the client prefers one, and never more than its code and message', async () => {
    const server = await served({ errorPage: ({ code, message }) => `<p>${code}: ${message}` });
    const page = await ask(server, '/broken', { headers: { accept: 'text/html,*/*;q=0.8' } });
    expect(page).toMatchObject({ status: 500, headers: { 'content-type': 'text/html; charset=utf-8' } });
    expect(page.body).toBe('<p>HTTP_FAILED: the server failed; its operator can tell more');
    expect(codeIn(await ask(server, '/broken'))).toBe('HTTP_FAILED');
    expect((await ask(server, '/x', { headers: { accept: 'text/html' } })).body).toContain('HTTP_NOT_FOUND');
    // Of what its app never sees too.
    const other = { accept: 'text/html', host: 'elsewhere.example' };
    expect(await ask(server, '/', { headers: other })).toMatchObject({
      status: 421,
      headers: { 'content-type': 'text/html; charset=utf-8' },
      body: expect.stringMatching(/^<p>HTTP_HOST_UNKNOWN: /),
    });
    expect(codeIn(await ask(server, '/', { headers: { host: 'elsewhere.example' } }))).toBe(
      'HTTP_HOST_UNKNOWN',
    );
  });
});

describe('a body', () => {
  const length = { method: 'POST' } as const;
  it('is taken up to its bound, with its length', async () => {
    const server = await served({ limits: { bodyBytesMax: 100 } });
    const post = (body: string, headers = {}) => ask(server, '/length', { ...length, body, headers });
    expect((await post('x'.repeat(100))).body).toBe('100');
    const known = await post('x'.repeat(101), { 'content-length': '101' });
    expect([known.status, codeIn(known)]).toEqual([413, 'HTTP_BODY_TOO_LARGE']);
    const unknown = await post('x', { 'transfer-encoding': 'chunked' });
    expect([unknown.status, codeIn(unknown)]).toEqual([411, 'HTTP_LENGTH_REQUIRED']);
  });

  it('is refused where nothing is sent, and with a GET', async () => {
    const none = await ask(await served(), '/length', { ...length, body: 'x' });
    expect([none.status, codeIn(none)]).toEqual([405, 'HTTP_METHOD_NOT_ALLOWED']);
    const server = await served({ limits: { bodyBytesMax: 100 } });
    const read = await ask(server, '/', { headers: { 'content-length': '1' }, body: 'x' });
    expect([read.status, codeIn(read)]).toEqual([413, 'HTTP_BODY_TOO_LARGE']);
  });
});

it('a body is paid for by its length', async () => {
  const bounds = { requestsPerSecond: 0.001, requestsBurst: 10 };
  const server = await served({ limits: { ...bounds, bodyBytesMax: 2 ** 20 } });
  const { headers } = await ask(server, '/length', { method: 'POST', body: 'x'.repeat(2 ** 20) });
  expect(headers.ratelimit).toMatch(/;r=8;/);
});

it('a server outlives connections that the system could not hand over', async () => {
  const listening = vi.spyOn(Server.prototype, 'listen');
  onTestFinished(() => listening.mockRestore());
  const server = await served();
  const [listener] = listening.mock.contexts as Server[];
  for (let n = 0; n < 2; n++) listener?.emit('error', new Error('accept ENOBUFS'));
  expect((await ask(server, '/')).status).toBe(200);
});

it('a connection has as many requests as may be asked at once', async () => {
  const accounts = new Accounts({ requestsPerSecond: 100, requestsBurst: 100 });
  const server = await served({ accounts, limits: { requestsBurst: 2 } });
  const one = 'GET / HTTP/1.1\r\nhost: localhost\r\n\r\n';
  const { text } = raw(server, one.repeat(3));
  const answers = () => text().match(/HTTP\/1\.1 \d+/g);
  await expect.poll(() => answers()?.length).toBe(3);
  expect(answers()).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 503']);
});

it('a server that is closed ends answers that are not made yet', async () => {
  const begun = Promise.withResolvers<void>();
  const app = new Hono<HttpEnv>().get('/', () => {
    begun.resolve();
    return new Promise<Response>(() => {});
  });
  const ends = vi.spyOn(Server.prototype, 'closeAllConnections');
  onTestFinished(() => ends.mockRestore());
  const server = await served({ app, limits: { idleMs: 1_000 } });
  const { ended } = raw(server, 'GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
  await begun.promise;
  await server.close();
  expect([(await ended).text, ends.mock.calls.length]).toEqual(['', 1]);
});

it('the time for an answer is not counted once it is sent', async () => {
  const [begins, ends] = [vi.spyOn(globalThis, 'setTimeout'), vi.spyOn(globalThis, 'clearTimeout')];
  onTestFinished(() => [begins, ends].forEach((spy) => void spy.mockRestore()));
  const server = await served({ limits: { answerMsMax: 1_234_567 } });
  expect((await ask(server, '/')).status).toBe(200);
  const timer = begins.mock.results[begins.mock.calls.findIndex(([, ms]) => ms === 1_234_567)]?.value;
  expect(timer).toBeDefined();
  await expect.poll(() => ends.mock.calls.some(([ended]) => ended === timer), { timeout: 20_000 }).toBe(true);
});

describe('a name', () => {
  it.each([
    ['127.0.0.1:4711', true],
    ['192.0.2.7', true],
    ['[::1]:4711', true],
    ['localhost:4711', true],
    ['LOCALHOST', true],
    ['ci.example.org', true],
    ['CI.example.org.:443', true],
    ['evil.example.org', false],
    ['ci.example.org.evil.example', false],
    ['127.0.0.1.evil.example', false],
    ['user@127.0.0.1', false],
    ['[evil.example]', false],
    ['127.0.0.1:', false],
    ['', false],
    [undefined, false],
  ])('%s is known: %s', (header, known) => {
    expect(isKnownHost(header, new Set(namesIn(['https://CI.example.org/feed', 'no url'])))).toBe(known);
  });

  it('that somebody else leads here is refused', async () => {
    const server = await served({ names: ['CI.example.org'] });
    const rebound = await ask(server, '/', { headers: { host: 'evil.example:80' } });
    expect([rebound.status, codeIn(rebound)]).toEqual([421, 'HTTP_HOST_UNKNOWN']);
    expect((await ask(server, '/', { headers: { host: 'ci.example.org' } })).status).toBe(200);
  });
});

it('limits each client by the key that it is told, as a proxy in front needs it', async () => {
  const server = await served({
    proxies: new TrustedProxies(['127.0.0.1']),
    limits: { requestsPerSecond: 0.001, requestsBurst: 2 },
  });
  const from = async (client: string) =>
    (await ask(server, '/', { headers: { 'x-forwarded-for': client } })).status;
  const [a, b] = ['192.0.2.1', '192.0.2.2'] as const;
  expect([await from(a), await from(a), await from(a), await from(b)]).toEqual([200, 200, 429, 200]);
});
