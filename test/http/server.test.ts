import { createServer } from 'node:net';
import { Hono } from 'hono';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { HttpEnv } from '../../src/http/env.ts';
import { httpLimits } from '../../src/http/limits.ts';
import { listenHttp } from '../../src/http/listen.ts';
import { until } from '../e2e/support/wait.ts';
import { project, testKey } from '../support/project.ts';
import { ask, bundleName, codeIn, raw, serve } from './support.ts';

const base = `/v1/${project}`;

/** A clock that stands still for the server until it is moved on. */
function still(): { pass(ms: number): void } {
  let now = 1_700_000_000_000;
  for (const clock of [vi.spyOn(Date, 'now'), vi.spyOn(performance, 'now')]) {
    onTestFinished(() => clock.mockRestore());
    clock.mockImplementation(() => now);
  }
  return {
    pass: (ms) => {
      now += ms;
    },
  };
}

describe('the feed', () => {
  it('serves offers, verdicts, the charter and bundles, as JSON', async () => {
    const server = await serve();
    const offers = await ask(server, `${base}/offers`);
    expect(offers).toMatchObject({
      status: 200,
      headers: { 'content-type': 'application/json; charset=utf-8', 'x-content-type-options': 'nosniff' },
    });
    expect(JSON.parse(offers.body)).toEqual([
      { offer: 'a.b.c', request: 'd.e.f', publisher: 'g.h.i', job: '{}' },
    ]);
    expect((await ask(server, `${base}/verdicts`)).body).toBe('[]');
    expect((await ask(server, `${base}/charter`)).body).toBe('{"charter":"c.h.a"}');
    expect((await ask(server, `${base}/bundle/${bundleName}`)).body).toBe('{"proof":1}');
    const head = await ask(server, `${base}/bundle/${bundleName}`, { method: 'HEAD' });
    expect(head).toMatchObject({ status: 200, body: '', headers: { 'content-length': '11' } });
  });

  it('is not sent again to a client that has it', async () => {
    const server = await serve();
    const first = await ask(server, `${base}/offers`);
    const { etag = '' } = first.headers;
    const again = await ask(server, `${base}/offers`, { headers: { 'if-none-match': String(etag) } });
    expect(again).toMatchObject({ status: 304, body: '' });
    const other = await ask(server, `${base}/offers`, { headers: { 'if-none-match': '"other"' } });
    expect(other.status).toBe(200);
  });

  it('is as new as a quarter of a second', async () => {
    let count = 0;
    const server = await serve({
      verdicts: () => {
        count++;
        return [];
      },
    });
    const clock = still();
    for (let asked = 0; asked < 20; asked++) await ask(server, `${base}/verdicts`);
    expect(count).toBe(1);
    clock.pass(300);
    await ask(server, `${base}/verdicts`);
    expect(count).toBe(2);
  });

  it('is as new where the clock of the host is set back', async () => {
    let count = 0;
    const server = await serve({
      revocations: () => {
        count++;
        return { charters: [], revocations: [] };
      },
    });
    const clock = still();
    await ask(server, `${base}/revocations`);
    clock.pass(300);
    vi.mocked(Date.now).mockReturnValue(0);
    await ask(server, `${base}/revocations`);
    expect(count).toBe(2);
  });

  it('serves the offers that follow one of them, each page kept for a moment, and a bounded number of pages', async () => {
    const asked: (string | undefined)[] = [];
    const server = await serve({
      offers: (after) => {
        asked.push(after);
        return [];
      },
    });
    still();
    const page = (n: number) => n.toString(16).padStart(64, '0');
    const look = (n: number) => ask(server, `${base}/offers?after=${page(n)}`);
    expect(await look(1)).toMatchObject({ status: 200, body: '[]' });
    await look(1);
    expect(asked).toEqual([page(1)]);
    for (let n = 2; n < 2 + httpLimits.listsKeptMax; n++) await look(n);
    await look(1);
    expect(asked.filter((after) => after === page(1))).toHaveLength(2);
  });

  it('stays within its bound, whatever there is to serve', async () => {
    const large = { offer: 'o', request: 'r', publisher: 'p', job: 'j'.repeat(1024 * 1024) };
    const server = await serve({ offers: () => Array.from({ length: 20 }, () => large) });
    const { body } = await ask(server, `${base}/offers`);
    expect(body.length).toBeLessThanOrEqual(16 * 1024 * 1024);
    expect(JSON.parse(body)).toHaveLength(15);
  });
});

describe('anything else is refused, with a code', () => {
  it.each([
    '/',
    '/v1',
    base,
    `${base}/`,
    `${base}/offers/`,
    `${base}/offers?limit=1`,
    `${base}/offers?after=${'A'.repeat(64)}`,
    `${base}/offers?after=${'a'.repeat(63)}`,
    `${base}/offers?after=${'a'.repeat(64)}&after=${'b'.repeat(64)}`,
    `${base}/verdicts?after=${'a'.repeat(64)}`,
    `${base}/offers#x`,
    `${base}/../${project}/offers`,
    `${base}/%6fffers`,
    `//v1/${project}/offers`,
    '/\\[',
    `http://127.0.0.1${base}/offers`,
    `/v1/${testKey('mallory').id}/offers`,
    `${base}/bundle/`,
    `${base}/bundle/../../controller.key`,
    `${base}/bundle/..%2f..%2fcontroller`,
    `${base}/bundle/bafyreiunknown`,
    `${base}/bundle/${'b'.repeat(101)}`,
    `${base}/constructor`,
  ])('%s', async (path) => {
    const got = await ask(await serve(), path);
    expect([got.status, codeIn(got)]).toEqual([404, 'HTTP_NOT_FOUND']);
  });

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])('%s', async (method) => {
    const got = await ask(await serve(), `${base}/offers`, { method });
    expect([got.status, codeIn(got)]).toEqual([405, 'HTTP_METHOD_NOT_ALLOWED']);
    expect(got.headers).toMatchObject({ allow: 'GET, HEAD', connection: 'close' });
  });

  it('a body, of known length or not', async () => {
    const server = await serve();
    const known = await ask(server, `${base}/offers`, { headers: { 'content-length': '3' }, body: 'abc' });
    expect([known.status, codeIn(known)]).toEqual([413, 'HTTP_BODY_TOO_LARGE']);
    const chunked = await ask(server, `${base}/offers`, {
      headers: { 'transfer-encoding': 'chunked' },
      body: 'abc',
    });
    expect(chunked.status).toBe(413);
  });

  it('headers without end, and what is no HTTP', async () => {
    const server = await serve();
    const flood = raw(server, `GET ${base}/offers HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`);
    expect((await flood.ended).text).toMatch(/^HTTP\/1\.1 431 /);
    const garbage = raw(server, '\x16\x03\x01\x02\x00 not http at all\r\n\r\n');
    expect((await garbage.ended).text).toMatch(/^HTTP\/1\.1 400 /);
    expect((await ask(server, `${base}/offers`)).status).toBe(200);
  });

  it('a failure of ours, without telling what it was', async () => {
    const server = await serve({ bundle: () => Promise.reject(new Error('/home/owner/.quorate is gone')) });
    const got = await ask(server, `${base}/bundle/${bundleName}`);
    expect([got.status, codeIn(got)]).toEqual([500, 'HTTP_FAILED']);
    expect(got.body).not.toContain('/home');
  });
});

describe('those who take too much', () => {
  it('in requests are told to wait', async () => {
    const server = await serve();
    still();
    const statuses: number[] = [];
    for (let asked = 0; asked < 200; asked++) statuses.push((await ask(server, `${base}/charter`)).status);
    // Bytes that are sent count a little, too.
    expect(statuses.slice(0, 90).every((status) => status === 200)).toBe(true);
    expect(statuses.slice(100).every((status) => status === 429)).toBe(true);
    expect((await ask(server, `${base}/charter`)).headers['retry-after']).toBe('1');
  });

  it('in requests on one connection, all sent ahead, are told too', async () => {
    const server = await serve({}, 500);
    still();
    const one = `GET ${base}/charter HTTP/1.1\r\nhost: x\r\n\r\n`;
    const { ended } = raw(server, one.repeat(400));
    const { text } = await ended;
    expect(text.match(/HTTP\/1\.1 200 /g)?.length).toBeLessThanOrEqual(100);
  });

  it('in connections get no more: those that wait longest are closed, and the others go on', async () => {
    const server = await serve();
    const open = Array.from({ length: 80 }, () => raw(server, ''));
    await Promise.all(open.slice(0, 16).map(({ ended }) => ended));
    expect(open.slice(16).every(({ socket }) => !socket.destroyed)).toBe(true);
    open[16]?.socket.write(`GET ${base}/charter HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
    expect((await open[16]?.ended)?.text).toContain('c.h.a');
  });

  it('in time by sending headers drop by drop are cut off', async () => {
    const server = await serve({}, 400);
    const slow = raw(server, 'GET /v1/x HTTP/1.1\r\n');
    const drops = setInterval(() => slow.socket.write('x: y\r\n'), 50);
    onTestFinished(() => clearInterval(drops));
    const { text } = await slow.ended;
    expect(text).not.toContain('200');
    await raw(server, '').ended;
  });

  it('in time by not reading are cut off, and free their bundle for others', async () => {
    const large = JSON.stringify('x'.repeat(16 * 1024 * 1024));
    const server = await serve({ bundle: async () => large }, 800);
    const wish = `GET ${base}/bundle/${bundleName} HTTP/1.1\r\nhost: x\r\n\r\n`;
    // Cut off too, where this process is late to read.
    const asked = () => ask(server, `${base}/bundle/${bundleName}`).catch(() => undefined);
    const lazy: ReturnType<typeof raw>[] = [];
    // As many as are served at once; one that was cut off already is followed by another.
    const busy = await until('a bundle refused', async () => {
      const reading = lazy.filter(({ socket }) => !socket.closed).length;
      for (let more = reading; more < 4; more++) {
        const client = raw(server, wish);
        client.socket.pause();
        lazy.push(client);
      }
      const answer = await asked();
      return answer?.status === 503 && answer;
    });
    expect(codeIn(busy)).toBe('HTTP_BUSY');
    expect((await ask(server, `${base}/charter`)).status).toBe(200);
    const free = await until('a bundle again', async () => {
      const answer = await asked();
      return answer?.status === 200 && answer;
    });
    expect(free.body).toHaveLength(large.length);
    for (const { socket } of lazy) socket.destroy();
  });
});

describe('a port', () => {
  it('in use is named, as is an address that is not of this machine', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void taken.close());
    const address = taken.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const start = (host: string) => listenHttp({ host, port, app: new Hono() });
    const message = `port ${port} of 127.0.0.1 is in use`;
    await expect(start('127.0.0.1')).rejects.toMatchObject({ code: 'HTTP_LISTEN_FAILED', message });
    await expect(start('192.0.2.1')).rejects.toMatchObject({ code: 'HTTP_LISTEN_FAILED' });
  });

  it('ends what its app rests on when it is closed, and where it cannot listen', async () => {
    const onClose = vi.fn();
    const options = { host: '127.0.0.1', port: 0, app: new Hono<HttpEnv>(), onClose };
    const server = await listenHttp(options);
    await expect(listenHttp({ ...options, port: server.port })).rejects.toThrow('in use');
    expect(onClose).toHaveBeenCalledTimes(1);
    await server.close();
    expect(onClose).toHaveBeenCalledTimes(2);
  });
});
