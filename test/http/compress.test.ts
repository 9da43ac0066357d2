import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { Hono } from 'hono';
import { describe, expect, it, onTestFinished } from 'vitest';
import { encodingOf } from '../../src/http/compress.ts';
import type { HttpEnv } from '../../src/http/env.ts';
import { httpLimits } from '../../src/http/limits.ts';
import { listenHttp, wholeApp } from '../../src/http/listen.ts';
import { compressWeight } from '../../src/http/prices.ts';
import { staticApp, staticUrl } from '../../src/http/static-files.ts';
import { piecesOf, streamOf } from '../../src/http/stream.ts';
import { verifyPageApp } from '../../src/http/verify-page/app.ts';
import { withLimits } from '../support/with-limits.ts';

const text = 'one line of a log\n'.repeat(1_000);
const bytes = Buffer.from(text);

/** Texts of every kind, and others. */
function texts() {
  const app = new Hono<HttpEnv>();
  app.get('/page', (c) => c.html(text));
  app.get('/small', (c) => c.html('<p>'));
  app.get('/json', (c) => c.body(text, 200, { 'content-type': 'application/json', etag: '"e"' }));
  app.get('/log', (c) => c.body(streamOf(c, piecesOf(bytes)), 200, { 'content-type': 'text/plain' }));
  app.get('/bytes', (c) => c.body(bytes, 200, { 'content-type': 'application/octet-stream' }));
  app.get('/gone', (c) => c.text(text, 404));
  app.get('/events', (c) => c.body(text, 200, { 'content-type': 'text/event-stream' }));
  app.post('/page', (c) => c.html(text));
  return app;
}

const opened = (encoding: string | null, body: ArrayBuffer): string =>
  (encoding === 'br' ? brotliDecompressSync(body) : gunzipSync(body)).toString();

describe('a text', () => {
  const get = (
    path: string,
    headers: Record<string, string> = { 'accept-encoding': 'gzip' },
    method = 'GET',
  ) => wholeApp(texts()).request(path, { headers, method });

  it.each(['/page', '/json', '/log'])('is compressed for who takes that: %s', async (path) => {
    for (const encoding of ['gzip', 'br']) {
      const answer = await get(path, { 'accept-encoding': encoding });
      const { headers } = answer;
      expect([headers.get('content-encoding'), headers.get('vary')]).toEqual([encoding, 'accept-encoding']);
      expect(headers.get('content-length')).toBe(null);
      const body = await answer.arrayBuffer();
      expect(body.byteLength).toBeLessThan(text.length / 20);
      expect(opened(encoding, body)).toBe(text);
    }
    const plain = await get(path, {});
    expect([plain.headers.get('content-encoding'), plain.headers.get('vary')]).toEqual([
      null,
      'accept-encoding',
    ]);
    expect(await plain.text()).toBe(text);
  });

  it.each(['/small', '/bytes', '/gone', '/events'])('is none: %s', async (path) => {
    expect((await get(path)).headers.get('content-encoding')).toBe(null);
  });

  it('has a weak validator once it is compressed: other programs compress it otherwise', async () => {
    expect((await get('/json')).headers.get('etag')).toBe('W/"e"');
    expect((await get('/json', {})).headers.get('etag')).toBe('"e"');
  });

  it('has a head that says the same', async () => {
    for (const path of ['/page', '/json']) {
      const head = await get(path, { 'accept-encoding': 'gzip' }, 'HEAD');
      const { headers } = await get(path);
      expect([Object.fromEntries(head.headers), await head.text()]).toEqual([
        Object.fromEntries(headers),
        '',
      ]);
    }
  });

  it('that is made for one person is sent as it is: its size would tell their token', async () => {
    const personal: Record<string, string>[] = [
      { cookie: 'quorate-session-4998=x' },
      { cookie: 'other=1; __Host-quorate-session=x' },
      { cookie: 'quorate-worker-ffffffff=x' },
      { authorization: 'Bearer x' },
    ];
    for (const own of personal) {
      const answer = await get('/page', { 'accept-encoding': 'gzip', ...own });
      expect(answer.headers.get('content-encoding')).toBe(null);
    }
    const other = await get('/page', { 'accept-encoding': 'gzip', cookie: 'theme=dark' });
    expect(other.headers.get('content-encoding')).toBe('gzip');
    expect((await get('/page', { 'accept-encoding': 'gzip' }, 'POST')).headers.get('content-encoding')).toBe(
      null,
    );
  });

  it('is charged for as it was before it was compressed, and for that', async () => {
    for (const path of ['/page', '/log']) {
      let charged = 0;
      const sent = (some: number, weight = 1) => {
        charged += some * weight;
        return 0;
      };
      const env = { account: { pay() {}, sent, isWaiting: false } };
      const answer = await wholeApp(texts()).request(path, { headers: { 'accept-encoding': 'br' } }, env);
      await answer.arrayBuffer();
      expect(charged).toBe(text.length * (1 + compressWeight));
    }
  });

  it('is sent as it is where as many are compressed as may be', async () => {
    withLimits(httpLimits, { compressionsMax: 1, compressionsPerAddressMax: 1 });
    const app = texts();
    const more = Promise.withResolvers<void>();
    async function* slow() {
      yield bytes;
      await more.promise;
    }
    app.get('/slow', (c) => c.body(streamOf(c, slow()), 200, { 'content-type': 'text/plain' }));
    const server = await listenHttp({ host: '127.0.0.1', port: 0, app });
    onTestFinished(() => server.close());
    const at = (path: string) => `http://127.0.0.1:${server.port}${path}`;
    const first = await fetch(at('/slow'));
    const reader = first.body?.getReader();
    // Bytes that are there are sent before more comes.
    let got = 0;
    while (got < text.length) got += (await reader?.read())?.value?.length ?? 0;
    expect(first.headers.get('content-encoding')).toBe('gzip');
    expect((await fetch(at('/page'))).headers.get('content-encoding')).toBe(null);
    more.resolve();
    while ((await reader?.read())?.done === false);
    await expect.poll(async () => (await fetch(at('/page'))).headers.get('content-encoding')).toBe('gzip');
  });

  it('gives its place to the next one once it is made, also where it has no bytes', async () => {
    withLimits(httpLimits, { compressionsMax: 1, compressionsPerAddressMax: 1 });
    const app = texts();
    app.get('/none', (c) => c.body(null, 200, { 'content-type': 'text/plain' }));
    const all = wholeApp(app);
    for (const path of ['/none', '/page', '/page', '/none']) {
      const answer = await all.request(path, { headers: { 'accept-encoding': 'gzip' } });
      expect(answer.headers.get('content-encoding'), path).toBe('gzip');
    }
  });

  it('that breaks off does so for who reads it compressed', async () => {
    const app = new Hono<HttpEnv>();
    async function* broken() {
      yield bytes;
      throw new Error('a disk that fails');
    }
    app.get('/log', (c) => c.body(streamOf(c, broken()), 200, { 'content-type': 'text/plain' }));
    const server = await listenHttp({ host: '127.0.0.1', port: 0, app });
    onTestFinished(() => server.close());
    const answer = fetch(`http://127.0.0.1:${server.port}/log`).then((one) => one.text());
    await expect(answer).rejects.toThrow();
  });
});

it.each([
  [undefined, undefined],
  ['', undefined],
  ['identity', undefined],
  ['gzip', 'gzip'],
  ['gzip, deflate, br, zstd', 'br'],
  ['GZIP;q=0.5', 'gzip'],
  ['br;q=0, gzip;q=1', 'gzip'],
  ['br; q=0.0, gzip;q=0', undefined],
  ['*', 'br'],
  ['*;q=0', undefined],
  ['br;q=0, *', 'gzip'],
  ['gzip;q=x', undefined],
])('of "%s" it is %s', (header, encoding) => {
  expect(encodingOf(header)).toBe(encoding);
});

describe('a file of the program', () => {
  const files = wholeApp(
    staticApp().route(
      '/',
      verifyPageApp(async () => ({ html: page, policy: '' })),
    ),
  );
  const page = bytes;

  it.each([staticUrl('page.css'), '/verify'])(
    'is as small as it gets, and compressed once: %s',
    async (path) => {
      const plain = await (await files.request(path)).text();
      const etags = new Set<string | null>();
      for (const encoding of [null, 'gzip', 'br']) {
        const headers: Record<string, string> = encoding === null ? {} : { 'accept-encoding': encoding };
        // Also for who is signed in: it is the same for all.
        const answer = await files.request(path, { headers: { ...headers, cookie: 'quorate-session-1=x' } });
        expect(answer.headers.get('content-encoding')).toBe(encoding);
        expect(answer.headers.get('vary')).toBe('accept-encoding');
        const body = await answer.arrayBuffer();
        expect(answer.headers.get('content-length')).toBe(String(body.byteLength));
        expect(encoding === null ? Buffer.from(body).toString() : opened(encoding, body)).toBe(plain);
        const etag = answer.headers.get('etag') ?? '';
        etags.add(etag);
        const again = await files.request(path, { headers: { ...headers, 'if-none-match': etag } });
        expect([again.status, again.headers.get('vary')]).toEqual([304, 'accept-encoding']);
      }
      expect(etags.size).toBe(3);
      const part = await files.request(path, { headers: { 'accept-encoding': 'br', range: 'bytes=3-5' } });
      expect([part.status, part.headers.get('content-encoding'), await part.text()]).toEqual([
        206,
        null,
        plain.slice(3, 6),
      ]);
      expect(part.headers.get('vary')).toBe('accept-encoding');
    },
  );
});
