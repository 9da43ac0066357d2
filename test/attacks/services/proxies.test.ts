import { describe, expect, it, onTestFinished } from 'vitest';
import { feedApp } from '../../../src/http/feed.ts';
import { type HttpServer, type ListenOptions, listenHttp } from '../../../src/http/listen.ts';
import { isProxyAddress, TrustedProxies } from '../../../src/http/trusted-proxies.ts';
import { ask, codeIn, viewOf } from '../../http/support.ts';

// The bytes of an answer count a little, too.
const limits = { requestsPerSecond: 0.001, requestsBurst: 3.5 };
const path = '/v1/x';

async function served(over: Partial<ListenOptions> = {}): Promise<HttpServer> {
  const server = await listenHttp({ host: '127.0.0.1', port: 0, app: feedApp(viewOf()), limits, ...over });
  onTestFinished(() => server.close());
  return server;
}

/** Statuses of as many requests, each with a header that names another client. */
const flood = async (server: HttpServer, header: (n: number) => Record<string, string>, count = 6) => {
  const statuses: number[] = [];
  for (let n = 0; n < count; n++) statuses.push((await ask(server, path, { headers: header(n) })).status);
  return statuses;
};

describe('a client that says it is another one', () => {
  const forged = (n: number) => ({ 'x-forwarded-for': `192.0.2.${n}`, forwarded: `for=192.0.2.${n}` });

  it('is not believed: its rate is that of its address', async () => {
    expect(await flood(await served(), forged)).toEqual([404, 404, 404, 429, 429, 429]);
  });

  it('is not believed where a proxy is trusted that it is not', async () => {
    const proxies = new TrustedProxies(['192.0.2.1', '10.0.0.0/8', '2001:db8::/32']);
    expect(await flood(await served({ proxies }), forged)).toEqual([404, 404, 404, 429, 429, 429]);
  });

  it('would have any number of rates where every address were trusted', async () => {
    const proxies = new TrustedProxies(['127.0.0.0/8']);
    expect(await flood(await served({ proxies }), forged)).toEqual([404, 404, 404, 404, 404, 404]);
  });

  it('writes left of what its proxy writes, and gains nothing', async () => {
    const server = await served({ proxies: new TrustedProxies(['127.0.0.1']) });
    const behind = (n: number) => ({ 'x-forwarded-for': `203.0.113.${n}, garbage, 198.51.100.7` });
    expect(await flood(server, behind)).toEqual([404, 404, 404, 429, 429, 429]);
  });

  it('writes the header that its proxy does not, and is refused', async () => {
    const server = await served({ proxies: new TrustedProxies(['127.0.0.1']) });
    const answer = await ask(server, path, {
      headers: { forwarded: 'for=203.0.113.9', 'x-forwarded-for': '198.51.100.7' },
    });
    expect([answer.status, codeIn(answer)]).toEqual([400, 'HTTP_FORWARDED_INVALID']);
  });
});

describe('the client behind trusted proxies', () => {
  const proxies = new TrustedProxies(['127.0.0.1', '10.0.0.0/8', '2001:db8:1::/48']);
  const clientOf = (headers: Record<string, string>, remoteAddress = '127.0.0.1') =>
    proxies.clientOf({ headers, socket: { remoteAddress } as never });

  it.each([
    [{ 'x-forwarded-for': '203.0.113.7' }, '203.0.113.7'],
    [{ 'x-forwarded-for': '203.0.113.7:4711' }, '203.0.113.7'],
    [{ 'x-forwarded-for': '1.1.1.1, 203.0.113.7, 10.1.2.3' }, '203.0.113.7'],
    [{ 'x-forwarded-for': '[2001:db8:2:3::9]:80, 2001:db8:1::5' }, '2001:db8:2:3::/64'],
    [{ 'x-forwarded-for': '::ffff:203.0.113.7' }, '203.0.113.7'],
    [{ 'x-forwarded-for': '10.0.0.9, 10.1.2.3' }, '10.0.0.9'],
    [{ forwarded: 'for=203.0.113.7;proto=https;by=10.1.1.1' }, '203.0.113.7'],
    [{ forwarded: 'For="[2001:db8:2:3::9]:4711", for=10.9.9.9' }, '2001:db8:2:3::/64'],
    [{ forwarded: 'for="a, for=9.9.9.9", for=203.0.113.7' }, '203.0.113.7'],
    [{ forwarded: 'for=203.0.113.7', 'x-forwarded-for': '203.0.113.7' }, '203.0.113.7'],
    [{}, '127.0.0.1'],
  ])('of %j is %s', (headers, client) => expect(clientOf(headers)).toBe(client));

  it.each([
    { 'x-forwarded-for': 'unknown' },
    { 'x-forwarded-for': '203.0.113.7, _hidden' },
    { 'x-forwarded-for': '203.0.113.7,' },
    { 'x-forwarded-for': '' },
    { 'x-forwarded-for': '203.0.113.999' },
    { 'x-forwarded-for': '203.0.113.7:port' },
    { forwarded: 'for="x, for=203.0.113.7' },
    { forwarded: 'for="a, for="203.0.113.7"' },
    { forwarded: 'proto=https' },
    { forwarded: 'for=203.0.113.7;for=9.9.9.9' },
    { forwarded: 'for = 203.0.113.7' },
    { forwarded: 'for=203.0.113.7,' },
    { 'x-forwarded-for': Array.from({ length: 33 }, () => '10.0.0.1').join(',') },
  ])('is refused where it is not said: %j', (headers) =>
    expect(() => clientOf({ ...headers } as never)).toThrow(
      expect.objectContaining({ code: 'HTTP_FORWARDED_INVALID' }),
    ),
  );

  it('is the peer where that is none, whatever it sends', () => {
    expect(clientOf({ 'x-forwarded-for': 'unknown' }, '198.51.100.1')).toBe('198.51.100.1');
  });

  it.each([
    ['192.0.2.7', true],
    ['192.0.2.0/24', true],
    ['2001:db8::/32', true],
    ['::1', true],
    ['192.0.2.0/33', false],
    ['::/129', false],
    ['192.0.2.0/', false],
    ['example.org', false],
    ['192.0.2.0/24/1', false],
  ])('%s is an entry: %s', (text, is) => expect(isProxyAddress(text)).toBe(is));
});

describe('a client that asks too often', () => {
  it('is told how much there is, how much is left, and when to ask again', async () => {
    const server = await served({ limits: { requestsPerSecond: 0.5, requestsBurst: 2 } });
    const answers = [];
    for (let n = 0; n < 3; n++) answers.push(await ask(server, path));
    expect(answers.map(({ headers }) => headers['ratelimit-policy'])).toEqual(
      Array.from({ length: 3 }, () => '"address";q=2;w=4'),
    );
    expect(answers.map(({ headers }) => headers.ratelimit)).toEqual([
      '"address";r=1;t=2',
      '"address";r=0;t=4',
      '"address";r=0;t=4',
    ]);
    expect(answers[2]?.status).toBe(429);
    expect(answers[2]?.headers['retry-after']).toBe('2');
  });

  it('has no more requests open at once through a proxy than connections without', async () => {
    const proxies = new TrustedProxies(['127.0.0.1']);
    const gate = Promise.withResolvers<void>();
    const view = viewOf({ bundle: () => gate.promise.then(() => '{}') });
    const bounds = { connectionsPerAddressMax: 2, requestsPerSecond: 1_000, requestsBurst: 1_000 };
    const server = await served({ proxies, app: feedApp(view), limits: bounds });
    const bundle = `/v1/${view.project}/bundle/bafyreibundle`;
    const from = (client: string) => ask(server, bundle, { headers: { 'x-forwarded-for': client } });
    const held = [from('203.0.113.7'), from('203.0.113.7')];
    const third = await from('203.0.113.7');
    expect([third.status, codeIn(third)]).toEqual([429, 'HTTP_TOO_MANY_REQUESTS']);
    const other = from('203.0.113.8');
    gate.resolve();
    expect((await Promise.all([...held, other])).map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await from('203.0.113.7')).status).toBe(200);
  });
});

describe('a page of another origin', () => {
  const origin = { origin: 'https://elsewhere.example' };
  const preflight = { ...origin, 'access-control-request-method': 'GET' };

  it('may read the feed and what it refuses, without cookies', async () => {
    const server = await served({ limits: {} });
    const view = viewOf();
    for (const target of [`/v1/${view.project}/charter`, '/v1/nothing', '/ipfs/nothing?format=car']) {
      const { headers } = await ask(server, target, { headers: origin });
      expect([target, headers['access-control-allow-origin']]).toEqual([target, '*']);
      expect(headers).not.toHaveProperty('access-control-allow-credentials');
    }
  });

  it('is told once a day what it may send, and never that it may write', async () => {
    const server = await served();
    const asked = await ask(server, '/v1/x', { method: 'OPTIONS', headers: preflight });
    expect(asked).toMatchObject({
      status: 204,
      body: '',
      headers: {
        'access-control-allow-origin': '*',
        'access-control-allow-methods': 'GET,HEAD',
        'access-control-max-age': '86400',
      },
    });
    const posted = await ask(server, '/v1/x', { method: 'POST', headers: origin, body: 'x' });
    expect(posted.status).toBe(405);
    const plain = await ask(server, '/v1/x', { method: 'OPTIONS' });
    expect(plain.status).toBe(405);
  });

  it('reads nothing else', async () => {
    const server = await served();
    for (const method of ['GET', 'OPTIONS']) {
      const { headers } = await ask(server, '/', { method, headers: preflight });
      expect(headers).not.toHaveProperty('access-control-allow-origin');
    }
  });
});
