import { type ClientRequest, request } from 'node:http';
import { Hono } from 'hono';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { controllerApp } from '../../src/controller/page/controller-app.ts';
import { type Account, Accounts } from '../../src/http/accounts.ts';
import { parseHostPort, parseMonitorAddress, urlOf, urlsOf } from '../../src/http/addresses.ts';
import type { HttpEnv } from '../../src/http/env.ts';
import { Live } from '../../src/http/kit/live.ts';
import { httpLimits } from '../../src/http/limits.ts';
import { listenHttp, wholeApp } from '../../src/http/listen.ts';
import { healthApp } from '../../src/http/monitor.ts';
import { leastPrice, priceOf } from '../../src/http/prices.ts';
import { isProxyAddress, TrustedProxies } from '../../src/http/trusted-proxies.ts';
import { pageOf } from '../../src/http/verify-page/page-file.ts';
import { limits } from '../../src/protocol/base/limits.ts';
import { watchApp } from '../../src/watcher/page/index.ts';
import { codeOf } from '../support/code-and-folder.ts';
import { withLimits } from '../support/with-limits.ts';
import { ask, codeIn, viewOf } from './support.ts';

describe('an address', () => {
  it.each([
    ['127.0.0.1:8080', { host: '127.0.0.1', port: 8080 }],
    ['[::1]:0', { host: '::1', port: 0 }],
    ['ci.example.org:65535', { host: 'ci.example.org', port: 65_535 }],
    ['ci.example.org:65536', undefined],
    ['ci.example.org:100000', undefined],
    ['ci.example.org', undefined],
    ['[ci.example.org]:1', undefined],
    ['::1:80', undefined],
    ['9464', undefined],
  ])('%s is %j', (text, parsed) => {
    expect(parseHostPort(text)).toEqual(parsed);
  });

  it.each([
    ['9464', { host: '127.0.0.1', port: 9464 }],
    ['0.0.0.0:9464', { host: '0.0.0.0', port: 9464 }],
    ['94640', undefined],
    ['946400', undefined],
    ['', undefined],
  ])('of a monitor %s is %j', (text, parsed) => {
    expect(parseMonitorAddress(text)).toEqual(parsed);
  });

  it('is a URL, with IPv6 in brackets, and a server has so many', () => {
    expect([urlOf('::1', 1), urlOf('x', 2)]).toEqual(['http://[::1]:1', 'http://x:2']);
    const addrs = Array.from({ length: limits.feedUrlsMax + 1 }, (_, n) => `/ip4/192.0.2.${n}/tcp/1/p2p/A`);
    expect(urlsOf('::', 1, addrs)).toHaveLength(limits.feedUrlsMax);
    expect(urlsOf('::', 1, ['/unix/x', ...addrs.slice(0, 1)])).toEqual(['http://192.0.2.0:1']);
  });
});

describe('a proxy', () => {
  it.each([
    ['192.0.2.7', true],
    ['192.0.2.0/0', true],
    ['192.0.2.0/32', true],
    ['192.0.2.0/33', false],
    ['2001:db8::/128', true],
    ['2001:db8::/129', false],
    ['192.0.2.0/x', false],
    ['192.0.2.0/', false],
    ['192.0.2.0/8/8', false],
    ['ci.example.org', false],
    ['ci.example.org/8', false],
    ['', false],
  ])('may be named as %s: %s', (text, is) => {
    expect(isProxyAddress(text)).toBe(is);
  });

  const proxies = new TrustedProxies(['127.0.0.1']);
  const clientOf = (forwarded: string) =>
    proxies.clientOf({ socket: { remoteAddress: '127.0.0.1' }, headers: { forwarded } } as never);

  it.each([
    ['for=192.0.2.7', '192.0.2.7'],
    ['For="192.0.2.7"', '192.0.2.7'],
    ['by=x;for=192.0.2.7;proto=https', '192.0.2.7'],
    ['for=192.0.2.6, for=192.0.2.7', '192.0.2.7'],
    ['for=192.0.2.7;by="a,b;c\\"d"', '192.0.2.7'],
    ['for="192.0.2.\\7"', '192.0.2.7'],
    [';for=192.0.2.7;', '192.0.2.7'],
    ['for="[2001:db8::7]:80"', '2001:db8:0:0::/64'],
  ])('that writes %s says who asks', (header, client) => {
    expect(clientOf(header)).toBe(client);
  });

  it.each([
    'for=192.0.2.7;for=192.0.2.8',
    'by=x',
    'for',
    'for=192.0.2.7,',
    ',for=192.0.2.7',
    'for=192.0.2.7 x',
    'for="192.0.2.7',
    'for="192.0.2.7\\"',
    'for=_hidden',
    '',
  ])('that writes %s says nothing', (header) => {
    expect(() => clientOf(header)).toThrow(expect.objectContaining({ code: 'HTTP_FORWARDED_INVALID' }));
  });
});

describe('an account', () => {
  function accountsOf(bounds = { requestsPerSecond: 20, requestsBurst: 100 }) {
    vi.useFakeTimers({ toFake: ['performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const accounts = new Accounts(bounds);
    const headers: Record<string, string> = {};
    const response = {
      headersSent: false,
      setHeader: (name: string, value: string) => void Object.assign(headers, { [name]: value }),
    };
    const of = (client: string): Account => accounts.of(client, response as never);
    /** How many requests of this price a client gets. */
    const times = (client: string, price = 1) => {
      for (let n = 0; ; n++)
        try {
          of(client).pay(price);
        } catch {
          return n;
        }
    };
    return { accounts, of, times, headers, response };
  }

  it('is told in the fields of an answer, until that is begun', () => {
    const { of, headers, response } = accountsOf();
    of('a').pay(30.5);
    expect(headers).toEqual({ 'ratelimit-policy': '"address";q=100;w=5', ratelimit: '"address";r=69;t=2' });
    response.headersSent = true;
    of('a').pay(1);
    expect(headers.ratelimit).toBe('"address";r=69;t=2');
    response.headersSent = false;
    of('a').sent(1_000 * httpLimits.bytesPerRequest);
    expect(() => of('a').pay(1)).toThrow(expect.objectContaining({ code: 'HTTP_TOO_MANY_REQUESTS' }));
    expect(headers.ratelimit).toMatch(/^"address";r=0;t=\d+$/);
  });

  it('that is overdrawn still gets what costs nothing', () => {
    const { of } = accountsOf();
    of('a').sent(1_000 * httpLimits.bytesPerRequest);
    of('a').pay(0);
    of('a').pay(-1);
  });

  it('may be used up in one request', () => {
    const { times, accounts } = accountsOf();
    expect([times('a', 100), accounts.left('a')]).toEqual([1, 0]);
  });

  it('gets its first requests of a second though the others used all, and then an equal part', () => {
    const { times, of } = accountsOf();
    const all = httpLimits.fullClients * 20;
    expect(times('a')).toBe(all);
    vi.advanceTimersByTime(60_000);
    for (const name of ['a', 'b']) of(name).pay(leastPrice);
    vi.advanceTimersByTime(1_000);
    // Two asked in the second before.
    expect(times('a')).toBe(all);
    of('c').pay(leastPrice);
    of('c').pay(leastPrice);
    expect([times('c'), times('b')]).toEqual([Math.floor(all / 2) - 2, Math.floor(all / 3)]);
  });

  it('gets one more than its first request where the part of each is less than two', () => {
    const { times, of } = accountsOf();
    times('a');
    const others = Array.from({ length: 60 }, (_, n) => String(n));
    for (const name of others) of(name).pay(leastPrice);
    expect(times('0')).toBe(1);
  });

  it('counts who asked in the second before, not in one before that', () => {
    const parts = [999, 1_000, 1_999, 2_000].map((ms) => {
      const { times, of } = accountsOf({ requestsPerSecond: 20, requestsBurst: 1_000 });
      for (let n = 0; n < 10; n++) of(String(n)).pay(leastPrice);
      vi.advanceTimersByTime(ms);
      times('0', 100);
      return times('1', 10);
    });
    expect(parts).toEqual([9, 10, 10, 50]);
  });
});

it('the price of a request is that of its handler, and of none the least', () => {
  const of = (...routes: string[]) =>
    priceOf(routes.map((route) => ({ method: route.split(' ')[0] ?? '', path: route.split(' ')[1] ?? '' })));
  expect([
    of('ALL /*', 'GET /sign-in/start', 'ALL /x'),
    of('GET /badge.svg'),
    of('ALL /*'),
    of(),
    of('GET /unknown'),
  ]).toEqual([...[4, 1], ...[leastPrice, leastPrice, leastPrice]]);
});

it('a check that does not answer in time has failed', async () => {
  withLimits(httpLimits, { checkMsMax: 1 });
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const app = healthApp({
    live: () => [{ name: 'stuck', trouble: () => new Promise<undefined>(() => {}) }],
    ready: () => [],
  });
  const asked = app.request('/healthz');
  await vi.advanceTimersByTimeAsync(1);
  const answer = await asked;
  expect([answer.status, await answer.json()]).toEqual([
    503,
    { status: 'failing', checks: [{ name: 'stuck', ok: false, says: 'it did not answer in time' }] },
  ]);
  // One that answers is not waited for any more.
  const well = healthApp({ live: () => [{ name: 'well', trouble: () => undefined }], ready: () => [] });
  expect((await well.request('/healthz')).status).toBe(200);
  expect(vi.getTimerCount()).toBe(0);
});

describe('a controller', () => {
  const site = (branch: (ref: string) => unknown) => {
    const made = controllerApp({
      view: viewOf(),
      people: undefined,
      version: '1',
      pages: { view: { branch } } as never,
      acknowledge: async () => {},
      cancel: { may: () => false, run: async () => {} },
    });
    return { ...made, app: wholeApp(made.app) };
  };

  it('has a badge for a branch that it knows, and a grey one for any other', async () => {
    const {
      app,
      close,
      limits: bounds,
    } = site((ref) => (ref === 'refs/heads/main' ? { jobs: [], commit: 'c'.repeat(40) } : undefined));
    onTestFinished(close);
    const badge = await app.request('/badge.svg?ref=main');
    expect([badge.status, await badge.text()]).toEqual([
      200,
      expect.stringContaining('quorate: pending cccccccc'),
    ]);
    const validator = badge.headers.get('etag') ?? '';
    const again = await app.request('/badge.svg?ref=main', { headers: { 'if-none-match': validator } });
    expect([again.status, badge.headers.get('cache-control')]).toEqual([304, 'no-cache, max-age=0']);
    for (const ref of ['other', '..', '']) {
      const unknown = await app.request(`/badge.svg?ref=${ref}`);
      expect([unknown.status, unknown.headers.get('content-type')]).toEqual([
        200,
        'image/svg+xml; charset=utf-8',
      ]);
      expect(await unknown.text()).toContain('<title>quorate: unknown</title>');
    }
    expect((await app.request('/badge.svg?ref=refs/heads/main')).status).toBe(200);
    // Without sign-in the default holds: a request has no body.
    expect(bounds).toEqual({});
  });

  it('lets those go who follow its pages when it is closed', () => {
    const close = vi.spyOn(Live.prototype, 'close');
    onTestFinished(() => close.mockRestore());
    site(() => undefined).close();
    expect(close).toHaveBeenCalledOnce();
  });
});

describe('an approval', () => {
  const people = {
    app: new Hono<HttpEnv>(),
    session: () => undefined,
    requireRole: () => (_: unknown, next: () => Promise<void>) => next(),
  };
  const commit = 'c'.repeat(40);
  const decided: unknown[] = [];
  const app = wholeApp(
    watchApp({
      version: '1',
      label: 'x',
      badge: () => undefined,
      approvals: { people: people as never, pulls: () => [], decide: (...of) => void decided.push(of) },
    }),
  );
  const send = (id: string, verdict: string) => {
    const body = new URLSearchParams({ id, verdict });
    return app.request('/approvals', { method: 'POST', body });
  };

  it.each([
    ['7', 'approved'],
    ['x@y', 'approved'],
    [`1234567890@${commit}`, 'approved'],
    [`7@${commit}c`, 'denied'],
    [`7@${commit}`, 'maybe'],
  ])('of "%s" that says %s is none', async (id, verdict) => {
    const answer = await send(id, verdict);
    expect([answer.status, decided]).toEqual([404, []]);
  });

  it.each([
    [null, ['approved', 'denied'], 'none yet'],
    ['approved', ['denied'], 'approved by ada'],
    ['denied', ['approved'], 'denied by ada'],
  ])('that is %s leaves %j', async (verdict, left, says) => {
    const pull = {
      id: `7@${commit}`,
      pull: 7,
      commit,
      title: 't',
      author: 'a',
      base: null,
      since: 0,
      decision: verdict === null ? null : { verdict, by: 'ada' },
    };
    const ports = { people, pulls: () => [pull], decide: () => {} } as never;
    const page = watchApp({ version: '1', label: 'x', badge: () => undefined, approvals: ports });
    const text = await (await page.request('/approvals')).text();
    const buttons = [...text.matchAll(/name="verdict" value="(\w+)"/g)].map(([, one]) => one);
    const [waiting = '', decided = ''] = text.split('<h2>Decided</h2>');
    expect([buttons, text.includes(`<dd>${says}</dd>`), text.includes('<dt>Into</dt><dd></dd>')]).toEqual([
      left,
      true,
      true,
    ]);
    expect([waiting.includes('None.'), decided.includes('None.')]).toEqual([
      verdict !== null,
      verdict === null,
    ]);
  });

  it.each(['approved', 'denied'])('says %s of one commit', async (verdict) => {
    expect((await send(`7@${commit}`, verdict)).status).toBe(303);
    expect(decided.splice(0)).toEqual([[7, commit, verdict, 'somebody who is signed in']]);
    expect(await (await app.request('/approvals')).text()).toContain('<p class="quiet">None.</p>');
  });
});

describe('the page that verifies', () => {
  const text = '<meta http-equiv="content-security-policy" content="default-src x">';

  it('is made once, and again where that failed', async () => {
    let n = 0;
    const page = pageOf(async () => {
      if (++n === 1) throw new Error('no esbuild');
      return Buffer.from(text);
    });
    expect(await codeOf(page)).toBe('VERIFY_PAGE_MISSING');
    expect(await page()).toEqual({ html: Buffer.from(text), policy: 'default-src x' });
    expect([await page(), n]).toEqual([await page(), 2]);
  });

  it('states a policy', async () => {
    expect(await codeOf(pageOf(async () => Buffer.from('<html>')))).toBe('VERIFY_PAGE_MISSING');
  });
});

it('bodies that come in are so many at a time: the one that has been coming longest gives its place', async () => {
  withLimits(httpLimits, { bodiesMax: 2 });
  let begun = 0;
  const app = new Hono<HttpEnv>().post('/', async (c) => {
    begun++;
    return c.text(String((await c.req.text()).length));
  });
  const server = await listenHttp({ host: '127.0.0.1', port: 0, app, limits: { bodyBytesMax: 10 } });
  onTestFinished(() => server.close());
  const ended: number[] = [];
  const begin = async (n: number) => {
    const headers = { 'content-length': '2' };
    const asked = request({ host: '127.0.0.1', port: server.port, method: 'POST', agent: false, headers });
    asked.on('error', () => ended.push(n));
    onTestFinished(() => void asked.destroy());
    asked.write('x');
    await expect.poll(() => begun).toBe(n);
    return asked;
  };
  const statusOf = (asked: ClientRequest) => {
    const status = new Promise<number | undefined>((resolve) => {
      asked.once('response', ({ statusCode }) => resolve(statusCode));
      asked.once('error', () => resolve(undefined));
      if (asked.destroyed) resolve(undefined);
    });
    asked.end('y');
    return status;
  };
  const first = await begin(1);
  // One that is whole counts no more.
  expect(await statusOf(first)).toBe(200);
  const second = await begin(2);
  expect(await statusOf(await begin(3))).toBe(200);
  await begin(4);
  // A request without one needs no place.
  expect((await ask(server, '/')).status).toBe(404);
  expect(await statusOf(second)).toBe(200);
  await begin(5);
  expect((await ask(server, '/', { method: 'POST', body: 'z' })).status).toBe(200);
  await expect.poll(() => ended).toEqual([4]);
  expect(codeIn(await ask(server, '/', { method: 'POST', body: 'x'.repeat(11) }))).toBe(
    'HTTP_BODY_TOO_LARGE',
  );
});
