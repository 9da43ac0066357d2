import type { ServerResponse } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { Hono } from 'hono';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Accounts, TooManyRequests } from '../../src/http/accounts.ts';
import type { HttpEnv } from '../../src/http/env.ts';
import { httpLimits } from '../../src/http/limits.ts';
import { listenHttp } from '../../src/http/listen.ts';
import { Slots } from '../../src/http/slots.ts';
import { streamOf } from '../../src/http/stream.ts';
import { ask, codeIn, raw } from './support.ts';

const response = { headersSent: true } as ServerResponse;

/** A clock that stands still until it is moved. */
function still() {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
}

/** How many times in a row a client gets what has this price. */
function times(accounts: Accounts, client: string, price: number): number {
  for (let n = 0; ; n++) {
    try {
      accounts.of(client, response).pay(price);
    } catch (error) {
      if (error instanceof TooManyRequests) return n;
      throw error;
    }
  }
}

describe('a client', () => {
  const bounds = { requestsPerSecond: 20, requestsBurst: 100 };

  it('gets what it has tokens for, and hears when it has them again', () => {
    still();
    const accounts = new Accounts(bounds);
    expect(times(accounts, 'a', 30)).toBe(3);
    expect(() => accounts.of('a', response).pay(30)).toThrow(expect.objectContaining({ retrySeconds: 1 }));
    expect(() => accounts.of('a', response).pay(90)).toThrow(expect.objectContaining({ retrySeconds: 4 }));
    vi.advanceTimersByTime(1_000);
    expect(times(accounts, 'a', 30)).toBe(1);
  });

  it('pays for bytes as they are sent, and a stream leaves it half for its other requests', () => {
    still();
    const accounts = new Accounts(bounds);
    const account = accounts.of('a', response);
    expect(account.sent(50 * httpLimits.bytesPerRequest)).toBe(0);
    expect(account.sent(httpLimits.bytesPerRequest)).toBeCloseTo(50);
    expect(account.isWaiting).toBe(true);
    expect(times(accounts, 'a', 1)).toBe(49);
    expect(account.sent(1_000 * httpLimits.bytesPerRequest)).toBe(httpLimits.streamWaitMsMax);
    vi.advanceTimersByTime(60_000);
    expect(account.isWaiting).toBe(false);
  });

  it('gets an equal part where many ask, and its first request of a second always', () => {
    still();
    const accounts = new Accounts(bounds);
    const names = Array.from({ length: 10 }, (_, n) => String(n));
    for (const name of names) times(accounts, name, 1);
    vi.advanceTimersByTime(10_000);
    // All have as much as they may have at once; ten asked in the second before.
    for (const name of names) accounts.of(name, response).pay(1);
    vi.advanceTimersByTime(1_000);
    const all = httpLimits.fullClients * bounds.requestsPerSecond;
    const first = times(accounts, '0', 1);
    expect(first).toBe(all);
    for (const name of names.slice(1)) expect(times(accounts, name, 1)).toBe(all / names.length);
    accounts.of('new', response).pay(40);
  });
});

describe('slots', () => {
  it('are so many for one client, and others get the rest', () => {
    const slots = new Slots({ max: 3, perClientMax: 2, what: 'things' });
    const [one] = [slots.take('a'), slots.take('a')];
    expect(() => slots.take('a')).toThrow('of this address');
    slots.take('b');
    expect(() => slots.take('c')).toThrow('too many things at once');
    one?.();
    one?.();
    slots.take('c');
    expect(() => slots.take('d')).toThrow(expect.objectContaining({ code: 'HTTP_BUSY' }));
    expect(slots.taken).toBe(3);
  });

  it('are one for each client once half of them are taken', () => {
    const slots = new Slots({ max: 8, perClientMax: 4, what: 'things' });
    for (let n = 0; n < 4; n++) slots.take('a');
    const release = slots.take('b');
    expect(() => slots.take('b')).toThrow('of this address');
    for (const client of ['c', 'd', 'e']) slots.take(client);
    expect(() => slots.take('f')).toThrow('too many things at once');
    release();
    slots.take('f');
  });
});

describe('a stream', () => {
  /** An answer without an end; `made` counts its pieces, `ended` whether it was stopped. */
  async function endless(limits: { requestsPerSecond: number; requestsBurst: number }) {
    const told = { made: 0, ended: false };
    async function* pieces() {
      try {
        for (;;) {
          told.made++;
          yield new Uint8Array(64 * 1024);
        }
      } finally {
        told.ended = true;
      }
    }
    const app = new Hono<HttpEnv>()
      .get('/endless', (c) => c.body(streamOf(c, pieces()), 200, { 'transfer-encoding': 'chunked' }))
      .get('/', (c) => c.text('hello'));
    const server = await listenHttp({ host: '127.0.0.1', port: 0, app, limits });
    onTestFinished(() => server.close());
    return { server, told };
  }

  it('is paid for piece by piece, waits once its client has had its part, and ends with it', async () => {
    still();
    const { server, told } = await endless({ requestsPerSecond: 1, requestsBurst: 8 });
    const { socket } = raw(server, 'GET /endless HTTP/1.1\r\nhost: localhost\r\n\r\n');
    socket.resume();
    // Half of eight tokens are 64 pieces; then one comes to 16 a second.
    await expect.poll(() => told.made).toBeGreaterThan(62);
    await setTimeout(500);
    expect(told.made).toBeLessThan(72);
    expect((await ask(server, '/')).status).toBe(200);
    socket.destroy();
    await expect.poll(() => told.ended).toBe(true);
  });

  it('of many addresses costs each its own part', async () => {
    const { server, told } = await endless({ requestsPerSecond: 1_000, requestsBurst: 1_000 });
    const { socket } = raw(server, 'GET /endless HTTP/1.1\r\nhost: localhost\r\n\r\n');
    socket.resume();
    await expect.poll(() => told.made).toBeGreaterThan(200);
    socket.destroy();
    await expect.poll(() => told.ended).toBe(true);
  });
});

it('a route costs its price before it is asked, and who has used up its part is told so by code', async () => {
  still();
  const asked: string[] = [];
  const app = new Hono<HttpEnv>().get('/trees/:name', (c) => {
    asked.push(c.req.path);
    c.env.account?.pay(40);
    return c.text('made');
  });
  const server = await listenHttp({
    host: '127.0.0.1',
    port: 0,
    app,
    limits: { requestsPerSecond: 0.5, requestsBurst: 100 },
  });
  onTestFinished(() => server.close());
  const got = [];
  for (let n = 0; n < 4; n++) got.push(await ask(server, `/trees/${n}`));
  expect(got.map(({ status }) => status)).toEqual([200, 200, 429, 429]);
  expect(codeIn(got[2] as never)).toBe('HTTP_TOO_MANY_REQUESTS');
  expect(Number(got[2]?.headers['retry-after'])).toBeGreaterThan(30);
  expect(asked).toHaveLength(4);
});
