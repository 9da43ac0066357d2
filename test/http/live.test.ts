import { request } from 'node:http';
import { Hono } from 'hono';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { HttpEnv } from '../../src/http/env.ts';
import { Live, type Source } from '../../src/http/kit/live.ts';
import { httpLimits } from '../../src/http/limits.ts';
import { type HttpServer, listenHttp } from '../../src/http/listen.ts';
import { TrustedProxies } from '../../src/http/trusted-proxies.ts';
import { until } from '../e2e/support/wait.ts';
import { ask, codeIn, raw } from './support.ts';

/** A channel that counts how often it was looked at; each follower of `/events` follows it. */
async function following(
  text: (n: number) => string = (n) => `news ${n}`,
  session?: AbortSignal,
  rate = { requestsPerSecond: 1_000, requestsBurst: 1_000 },
) {
  const live = new Live();
  onTestFinished(() => live.close());
  const told = { n: 0, channels: 0, ended: false };
  const source = (): Source => {
    told.channels++;
    return {
      everyMs: 5,
      async next(id) {
        if (told.ended) return { name: 'end', data: '', id, last: true };
        if (id.startsWith('future')) return undefined;
        return id === String(told.n) ? undefined : { name: 'news', data: text(told.n), id: String(told.n) };
      },
    };
  };
  const app = new Hono<HttpEnv>()
    .get('/', (c) => c.text('a page'))
    .get('/events', (c) =>
      live.follow(c, 'one', source, { since: c.req.header('last-event-id') ?? '', until: session }),
    );
  // A test has one address: as a proxy it says whose requests these are.
  const server = await listenHttp({
    host: '127.0.0.1',
    port: 0,
    app,
    names: ['x'],
    proxies: new TrustedProxies(['127.0.0.1']),
    limits: { ...rate, connectionsPerAddressMax: 255 },
  });
  onTestFinished(() => server.close());
  return { live, server, told };
}

function follow({ port }: HttpServer, headers: Record<string, string> = {}) {
  const got = { text: '', status: 0, ended: false };
  const asked = request({ host: '127.0.0.1', port, path: '/events', headers, agent: false }, (response) => {
    got.status = response.statusCode ?? 0;
    response.setEncoding('utf8').on('data', (text: string) => {
      got.text += text;
    });
    response.on('error', () => {});
    response.on('close', () => {
      got.ended = true;
    });
  });
  asked.on('error', () => {
    got.ended = true;
  });
  asked.end();
  onTestFinished(() => void asked.destroy());
  return { got, leave: () => asked.destroy() };
}

describe('followers', () => {
  it('get each event once, made once for all of them, and go on where they were', async () => {
    const { server, told, live } = await following();
    const all = Array.from({ length: 20 }, () => follow(server));
    await until('the first event', () => all.every(({ got }) => got.text.includes('data: news 0\n\n')));
    const late = follow(server, { 'last-event-id': '0' });
    await until('the late one', () => live.followers === 21);
    told.n = 1;
    await until('the second event', () =>
      [...all, late].every(({ got }) => got.text.includes('event: news\nid: 1\ndata: news 1\n\n')),
    );
    expect(late.got.text).not.toContain('news 0');
    for (const { got } of all) expect(got.text.match(/news 1/g)).toHaveLength(1);
    told.ended = true;
    await until('the end', () => all.every(({ got }) => got.ended));
    await until('nobody', () => live.followers === 0);
  });

  it('that wait for what does not come keep nobody from their turn', async () => {
    const { server, told, live } = await following();
    const { followerGroupsMax } = httpLimits;
    for (let n = 0; n < followerGroupsMax; n++) follow(server, { 'last-event-id': `future ${n}` });
    await until('all of them', () => live.followers === followerGroupsMax);
    const one = follow(server);
    await until('an event', () => one.got.text.includes('news 0'));
    told.n = 1;
    await until('the next one', () => one.got.text.includes('news 1'));
  });

  it('that are all gone take their channel with them', async () => {
    const { server, told, live } = await following();
    const one = follow(server);
    await until('an event', () => one.got.text.includes('news'));
    one.leave();
    await until('nobody', () => live.followers === 0);
    const next = follow(server);
    await until('an event', () => next.got.text.includes('news'));
    expect(told.channels).toBe(2);
  });

  it('are so many and no more, and pages go on being served', async () => {
    const { server, live } = await following();
    const { followersMax, followersPerAddressMax } = httpLimits;
    const half = followersMax * httpLimits.crowdedShare;
    for (let n = 0; n < followersMax; n++)
      follow(server, {
        'x-forwarded-for': n < half ? `192.0.2.${Math.floor(n / followersPerAddressMax)}` : `203.0.113.${n}`,
      });
    await until('all of them', () => live.followers === followersMax);
    const more = await ask(server, '/events', { headers: { 'x-forwarded-for': '198.51.100.1' } });
    expect([more.status, codeIn(more), more.headers['retry-after']]).toEqual([503, 'HTTP_BUSY', '5']);
    expect((await ask(server, '/')).status).toBe(200);
  });

  it('of one address are so many and no more', async () => {
    const { server, live } = await following();
    const { followersPerAddressMax } = httpLimits;
    const all = Array.from({ length: followersPerAddressMax }, () => follow(server));
    await until('all of them', () => live.followers === followersPerAddressMax);
    expect(codeIn(await ask(server, '/events'))).toBe('HTTP_BUSY');
    // In the place of one that leaves one more may come.
    all[0]?.leave();
    await until('one less', () => live.followers === followersPerAddressMax - 1);
    follow(server);
    await until('all of them again', () => live.followers === followersPerAddressMax);
    const more = follow(server);
    await until('an answer', () => more.got.status !== 0);
    expect(more.got.status).toBe(503);
    const other = follow(server, { 'x-forwarded-for': '198.51.100.1' });
    await until('another', () => other.got.status === 200);
  });

  it('with an ended session are sent no more events', async () => {
    const session = new AbortController();
    const { server, live, told } = await following(undefined, session.signal);
    const one = follow(server);
    await until('an event', () => one.got.text.includes('news 0'));
    session.abort();
    told.n++;
    await until('its end', () => one.got.ended && live.followers === 0);
    expect(one.got.text).not.toContain('news 1');
  });

  it('that have had their part wait, and get a later event', async () => {
    const rate = { requestsPerSecond: 1, requestsBurst: 4 };
    const { server, told } = await following((n) => `${n} ${'x'.repeat(256 * 1024)}`, undefined, rate);
    const began = performance.now();
    const one = follow(server);
    const more = setInterval(() => told.n++, 5);
    onTestFinished(() => clearInterval(more));
    // Each costs a quarter of what comes in a second; there is one every 5 ms.
    await until('some events', () => (one.got.text.match(/^id: /gm)?.length ?? 0) >= 4);
    expect(performance.now() - began).toBeGreaterThan(200);
    expect(one.got.ended).toBe(false);
  });

  it('that does not read is dropped, and the others go on', async () => {
    const { server, told, live } = await following((n) => `${n} ${'x'.repeat(256 * 1024)}`);
    const lazy = raw(server, 'GET /events HTTP/1.1\r\nhost: x\r\n\r\n');
    lazy.socket.pause();
    const keen = follow(server);
    await until('both', () => live.followers === 2);
    await until('one', () => {
      told.n++;
      return live.followers === 1;
    });
    const at = told.n;
    await until('more for the other', () => keen.got.text.includes(`id: ${at}\n`));
    expect(keen.got.ended).toBe(false);
  });
});
