import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, getDefaultAutoSelectFamily, setDefaultAutoSelectFamily } from 'node:net';
import { MockAgent } from 'undici';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type Agent, openAgent } from '../../src/dependencies/fetch/agent.ts';
import { type GetOptions, get, getBytes, NoAnswer, retried } from '../../src/dependencies/fetch/get.ts';
import { fetchLimits } from '../../src/dependencies/fetch/limits.ts';
import { QuorateError } from '../../src/protocol/base/errors.ts';
import { withLimits } from '../support/with-limits.ts';

const registry = 'https://registry.example';
const other = 'https://other.example';
const { signal } = new AbortController();

/** Servers without a network; more of them than are asked for stay as they are. */
let servers: MockAgent;
let agent: Agent;

beforeEach(() => {
  servers = new MockAgent();
  servers.disableNetConnect();
  agent = { dispatcher: servers, admit: async () => {} } as unknown as Agent;
});

afterEach(async () => {
  vi.useRealTimers();
  await servers.close();
});

type Headers = Record<string, string>;
const answers = (origin: string, status: number, body = 'x', headers: Headers = {}) =>
  servers.get(origin).intercept({ path: '/a' }).reply(status, body, { headers }).persist();

const got = (more: Partial<GetOptions> = {}, url = `${registry}/a`) =>
  getBytes({ url }, { agent, signal, bytesMax: 100, ...more }).then(String);
const refused = (more: Partial<GetOptions> = {}, url?: string): Promise<NoAnswer> =>
  got(more, url).then(
    (text) => Promise.reject(new Error(`it got ${text}`)),
    (error) => (error instanceof NoAnswer ? error : Promise.reject(error)),
  );

describe('an answer', () => {
  it.each([200, 300, 307, 399])(
    'of status %i with another address is followed, if it may be',
    async (status) => {
      answers(registry, status, 'first', { location: `${other}/a` });
      answers(other, 200, 'second');
      expect(await got()).toBe(status === 200 ? 'first' : 'second');
    },
  );

  it.each([299, 400, 404])('of status %i is none, whatever address it has', async (status) => {
    answers(registry, status, '', { location: `${other}/a` });
    answers(other, 200);
    expect(await refused()).toMatchObject({ status, message: `answered ${status}` });
  });

  it.each([
    ['from https to http', 'http://registry.example/a', /from https to http \(registry\.example\)/],
    ['to no address of the web', 'ftp://registry.example/a', /redirects to "ftp:/],
    ['where it may not go', `${other}/a`, /^redirects to https:\/\/other\.example\/a$/],
  ])('that leads %s is not followed, and not asked for again', async (_, location, says) => {
    answers(registry, 302, '', { location });
    const error = await refused({ mayVisit: () => false });
    expect(error.message).toMatch(says);
    expect(error.passes).toBe(false);
  });

  it('is followed five times', async () => {
    const hops = (count: number) => {
      for (let n = 0; n < count; n++)
        servers
          .get(registry)
          .intercept({ path: `/${n}` })
          .reply(302, '', { headers: { location: `/${n + 1}` } });
      servers
        .get(registry)
        .intercept({ path: `/${count}` })
        .reply(200, 'there');
      return `${registry}/0`;
    };
    expect(await got({}, hops(5))).toBe('there');
    expect((await refused({}, hops(6))).message).toBe('redirects more than 5 times');
  });

  it('of another part than was asked for is none', async () => {
    answers(registry, 206, 'rest', { 'content-range': 'bytes 3-6/7' });
    const { from } = await get({ url: `${registry}/a` }, { agent, signal, bytesMax: 100, from: 3 });
    expect(from).toBe(3);
    expect((await refused({ from: 4 })).message).toBe('answered 206');
  });

  it('has as many bytes as there may be, stated or not, and where the size is known it need not be stated', async () => {
    withLimits(fetchLimits, { undeclaredBytesMax: 5 });
    answers(registry, 200, '1234567', { 'content-length': '7' });
    expect(await got({ bytesMax: 7 })).toBe('1234567');
    expect((await refused({ bytesMax: 6 })).message).toBe('sends 7 bytes or more; at most 6 are read');
    answers(other, 200, '123456');
    expect((await refused({}, `${other}/a`)).message).toBe('sends 6 bytes or more; at most 5 are read');
    expect(await got({ isSize: true }, `${other}/a`)).toBe('123456');
  });

  it('wants credentials of the server that was asked alone', async () => {
    answers(registry, 401, '', { 'www-authenticate': 'Bearer realm="x"' });
    expect((await refused()).challenge).toBe('Bearer realm="x"');
    answers(other, 302, '', { location: `${registry}/a` });
    expect((await refused({}, `${other}/a`)).challenge).toBeUndefined();
  });

  it.each([
    ['2', 2_000],
    ['0', undefined],
    ['1000', 30_000],
    ['Wed, 21 Oct 2026 07:28:00 GMT', undefined],
  ])('that asks for another try after %s', async (after, waitMs) => {
    answers(registry, 503, '', { 'retry-after': after });
    expect((await refused()).waitMs).toBe(waitMs);
  });

  it.each([408, 429, 500, 503, 404, 403, 310])('of status %i may be another one later: %s', (status) => {
    expect(new NoAnswer('', { status }).passes).toBe([408, 429, 500, 503].includes(status));
  });

  it('has no limit on its time once its head is here', async () => {
    answers(registry, 200, 'x');
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { body } = await get({ url: `${registry}/a` }, { agent, signal, bytesMax: 100 });
    await vi.advanceTimersByTimeAsync(fetchLimits.headMs);
    for await (const part of body) expect(String(part)).toBe('x');
  });
});

it('a server that stands against being asked is not asked again', async () => {
  agent.admit = async () => {
    throw new QuorateError('EGRESS_ADDRESS_REFUSED', 'no public address');
  };
  const error = await refused();
  expect([error.message, error.passes]).toEqual(['is not asked: no public address', false]);
  agent.admit = async () => {
    throw new Error('no such name');
  };
  expect((await refused()).passes).toBe(true);
});

it('a request that its caller ends has the reason of that', async () => {
  const reason = new Error('enough');
  await expect(got({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});

describe('another try', () => {
  const counted = async (error: () => Error, stop = new AbortController()) => {
    let count = 0;
    const thrown = await retried(stop.signal, async () => {
      count++;
      throw error();
    }).catch((reason: Error) => reason);
    return { count, thrown };
  };

  it('is made twice, of what may be otherwise then', async () => {
    expect((await counted(() => new NoAnswer('', { status: 500, waitMs: 1 }))).count).toBe(3);
    expect((await counted(() => new NoAnswer('', { status: 404, waitMs: 1 }))).count).toBe(1);
    expect((await counted(() => new Error('no answer of a server'))).count).toBe(1);
  });

  it('is not made once its caller ended it', async () => {
    const stop = new AbortController();
    const reason = new Error('enough');
    const { count, thrown } = await counted(() => {
      stop.abort(reason);
      return new NoAnswer('', { waitMs: 1 });
    }, stop);
    expect([count, thrown]).toEqual([1, reason]);
  });
});

it.each([true, false])(
  'connects to the address that was looked at (one of several at once: %s)',
  async (several) => {
    const server = createServer((_, answer) => void answer.end('there')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const before = getDefaultAutoSelectFamily();
    setDefaultAutoSelectFamily(several);
    const opened = await openAgent({ reach: async () => ['127.0.0.1'] });
    onTestFinished(async () => {
      setDefaultAutoSelectFamily(before);
      await opened.destroy();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    expect(await got({ agent: opened }, `http://registry.example:${port}/a`)).toBe('there');
  },
);

describe('a server that a URL names', () => {
  it.each([
    ['http://10.0.0.1/', ['10.0.0.1 80 false']],
    ['https://10.0.0.1/', ['10.0.0.1 443 false']],
    ['https://[fd00::1]:5000/', ['fd00::1 5000 true']],
    ['http://localhost/', ['localhost 80 false']],
    ['http://a.localhost:1/', ['a.localhost 1 false']],
    // Looked at when it is connected to.
    ['https://registry.example/', []],
  ])('by its address is looked at before a proxy hears of it: %s', async (url, expected) => {
    const looked: string[] = [];
    const opened = await openAgent({
      reach: async ({ host, port }, isNamed) => {
        looked.push(`${host} ${port} ${isNamed}`);
        return [host];
      },
    });
    opened.name('https://[fd00::1]:5000/npm/');
    opened.name('no address');
    await opened.admit(new URL(url));
    await opened.destroy();
    expect(looked).toEqual(expected);
  });
});
