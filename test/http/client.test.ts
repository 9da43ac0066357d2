import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { HostGate } from '../../src/egress/index.ts';
import { generateSeed, keyFromSeed } from '../../src/identity/keys.ts';
import { HttpClient } from '../../src/node/http-get.ts';
import { nodeClock, signingOf } from '../../src/node/ports.ts';
import { QuorateError } from '../../src/protocol/base/errors.ts';
import { signMessage } from '../../src/protocol/documents/index.ts';
import type { RevocationList } from '../../src/protocol/judge/index.ts';
import type { Credentials } from '../../src/protocol/sessions/credentials.ts';
import type { Clock } from '../../src/protocol/sessions/ports.ts';
import type { OfferNotice, VerdictNotice } from '../../src/protocol/wire/messages.ts';
import { HttpFeed } from '../../src/worker/sessions/http-feed.ts';
import { until } from '../e2e/support/wait.ts';
import { makeOffer } from '../support/documents.ts';
import { project, testKey } from '../support/project.ts';

/** A web server that answers as it likes. */
async function web(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const client = new HttpClient();
const get = (url: string, maxBytes = 1_000, ms = 120_000) =>
  client.text(url, { etag: undefined, maxBytes, signal: AbortSignal.timeout(ms) });

describe('a server that is not believed', () => {
  it('sends more than was asked for, for ever, or packed', async () => {
    const endless = await web((_, response) => {
      const more = () => {
        while (response.write('x'.repeat(10_000)));
        response.once('drain', more);
      };
      more();
    });
    await expect(get(endless)).rejects.toMatchObject({
      code: 'HTTP_FEED_FAILED',
      message: expect.stringContaining('more than 1000 bytes'),
    });
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    const packed = await web((_, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb),
    );
    await expect(get(packed)).rejects.toThrow('more than 1000 bytes');
  });

  it('leads elsewhere, fails, goes away or says nothing', async () => {
    const elsewhere = await web((_, response) => response.end('secret of the machine next door'));
    const redirect = await web((_, response) => response.writeHead(302, { location: elsewhere }).end());
    await expect(get(redirect)).rejects.toMatchObject({ code: 'HTTP_FEED_FAILED' });
    const broken = await web((_, response) => response.writeHead(500).end('{}'));
    await expect(get(broken)).rejects.toThrow('answered 500');
    const unasked = await web((_, response) => response.writeHead(304).end());
    await expect(get(unasked)).rejects.toThrow('answered 304');
    const leaving = await web((_, response) => {
      response.write('{', () => response.destroy());
    });
    await expect(get(leaving)).rejects.toMatchObject({ code: 'HTTP_FEED_FAILED' });
    const silent = await web(() => {});
    await expect(get(silent, 1_000, 200)).rejects.toMatchObject({ code: 'HTTP_FEED_FAILED' });
    await expect(get('http://127.0.0.1:1')).rejects.toMatchObject({ code: 'HTTP_FEED_FAILED' });
  });
});

it('a gate is asked of the host and the port that are meant, before anything is sent', async () => {
  const asked: unknown[] = [];
  const gate = {
    check(target: unknown) {
      asked.push(target);
      throw new QuorateError('EGRESS_HOST_NOT_ALLOWED', 'no');
    },
  } as unknown as HostGate;
  const closed = new HttpClient(gate);
  const options = { etag: undefined, maxBytes: 1_000, signal: AbortSignal.timeout(120_000) };
  for (const url of ['http://a.example/x', 'https://a.example/x', 'https://a.example:81/x', 'http://[::1]/x'])
    await expect(closed.text(url, options)).rejects.toMatchObject({ code: 'EGRESS_HOST_NOT_ALLOWED' });
  expect(asked).toEqual([
    { host: 'a.example', port: 80 },
    { host: 'a.example', port: 443 },
    { host: 'a.example', port: 81 },
    { host: '::1', port: 80 },
  ]);
});

it('an https address is asked over TLS, and a name over the family of its address', async () => {
  const plain = await web((_, response) => response.end('{}'));
  await expect(get(plain.replace('http:', 'https:'))).rejects.toThrow(/SSL|TLS|EPROTO|hang up/i);
  const named = new HttpClient(undefined, undefined, async () => [{ address: '127.0.0.1' }]);
  onTestFinished(() => named.close());
  const options = { etag: undefined, maxBytes: 1_000, signal: AbortSignal.timeout(120_000) };
  const url = plain.replace('127.0.0.1', 'localhost');
  expect(await named.text(url, options)).toMatchObject({ text: '{}' });
});

it('an answer is read no faster than the rate, which waits after each part', async () => {
  const url = await web((_, response) => response.end('x'));
  const charged: number[] = [];
  const rate = {
    charge(bytes: number) {
      charged.push(bytes);
      return 500;
    },
  };
  const slow = new HttpClient(undefined, rate as never);
  onTestFinished(() => slow.close());
  const began = performance.now();
  await slow.text(url, { etag: undefined, maxBytes: 1_000, signal: AbortSignal.timeout(120_000) });
  expect(charged).toEqual([1]);
  // A timer may end within the millisecond before.
  expect(performance.now() - began).toBeGreaterThanOrEqual(499);
});

describe('a name that leads to an address of the lender’s own network', () => {
  it('is not connected to; an address that is named itself is', async () => {
    let asked = 0;
    const url = await web((_, response) => {
      asked += 1;
      response.end('{}');
    });
    const inner = new HttpClient(undefined, undefined, async () => [{ address: '127.0.0.1' }]);
    const options = { etag: undefined, maxBytes: 1_000, signal: AbortSignal.timeout(120_000) };
    await expect(inner.text(url.replace('127.0.0.1', 'feed.example'), options)).rejects.toThrow(
      'feed.example resolves to 127.0.0.1: no public address',
    );
    expect(asked).toBe(0);
    expect(await inner.text(url, options)).toMatchObject({ text: '{}' });
  });
});

describe('the gate of a worker', () => {
  it('is asked for each request, also on a connection that is used again', async () => {
    let connections = 0;
    const server = createServer((_, response) => response.end('x'.repeat(600)));
    server.on('connection', () => {
      connections += 1;
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    let allowed = true;
    const limits = { connections: 10, bytes: 3_000 };
    const gated = new HttpClient(new HostGate({ limits, allows: () => allowed }));
    const ask = () =>
      gated.text(url, { etag: undefined, maxBytes: 1_000, signal: AbortSignal.timeout(120_000) });
    await ask();
    allowed = false;
    await expect(ask()).rejects.toMatchObject({ code: 'EGRESS_HOST_NOT_ALLOWED' });
    allowed = true;
    await expect(
      (async () => {
        for (let n = 0; n < 10; n++) await ask();
      })(),
    ).rejects.toMatchObject({ code: 'EGRESS_HOST_LIMIT' });
    expect(connections).toBe(1);
  });
});

const offer: OfferNotice = { offer: 'a.b.c', request: 'd.e.f', publisher: 'g.h.i', job: '{}' };
const verdict: VerdictNotice = {
  job: 'bafybeihlrz7j4sotzw4jmhsyio2yothja6egyyc42c6b25g5o7aa63256i',
  request: '0'.repeat(64),
  level: 'agreed',
  artifact: 'bafybeihlrz7j4sotzw4jmhsyio2yothja6egyyc42c6b25g5o7aa63256i',
};

/** The worker's side, with what it passed on. */
function listener(feed: string[] | undefined, over: (clock: Clock) => Partial<Clock> = () => ({})) {
  const stop = new AbortController();
  const clock = nodeClock(stop.signal);
  onTestFinished(() => stop.abort());
  const taken = {
    offers: [] as OfferNotice[],
    verdicts: [] as VerdictNotice[],
    charters: [] as string[],
    revocations: [] as RevocationList[],
    checkpoints: [] as string[],
  };
  const told: string[] = [];
  const credentials = {
    membership: { project, ...(feed === undefined ? {} : { feed }) },
    learnCharter: async (raw: string) => void taken.charters.push(raw),
  } as Credentials;
  const http = new HttpFeed(
    {
      clock: {
        ...clock,
        get closing() {
          return clock.closing;
        },
        ...over(clock),
      },
      signing: signingOf(keyFromSeed(generateSeed()).signer),
      httpGet: (url, { timeoutMs, ...rest }) =>
        client.text(url, { ...rest, signal: AbortSignal.any([stop.signal, AbortSignal.timeout(timeoutMs)]) }),
      credentials,
      tell: (level, kind, says) => void told.push(`${level} ${kind} ${says}`),
    },
    { quietMs: 200, everyMs: 50 },
    {
      offer: async (notice) => void taken.offers.push(notice),
      verdict: (notice) => void taken.verdicts.push(notice),
      revocations: async (list) => void taken.revocations.push(list),
      checkpoint: (note) => void taken.checkpoints.push(note),
    },
  );
  void http.run();
  return { http, taken, told };
}

/** Serves what a controller would, and counts. */
async function feed(over: Record<string, unknown> = {}) {
  const asked: string[] = [];
  const files: Record<string, unknown> = {
    [`/v1/${project}/offers`]: [offer],
    [`/v1/${project}/verdicts`]: [verdict],
    [`/v1/${project}/charter`]: { charter: 'c.h.a' },
    [`/v1/${project}/checkpoint`]: { note: 'a note' },
    [`/v1/${project}/revocations`]: { charters: ['c.h.a'], revocations: ['r.e.v'] },
    ...over,
  };
  const url = await web((request, response) => {
    const { url: path = '', headers } = request;
    asked.push(`${path.split('/').at(-1)}${headers['if-none-match'] === '"1"' ? ' again' : ''}`);
    if (headers['if-none-match'] === '"1"') response.writeHead(304, { etag: '"1"' }).end();
    else response.writeHead(200, { etag: '"1"' }).end(JSON.stringify(files[path] ?? null));
  });
  return { url, asked };
}

describe('the HTTP feed of a worker', () => {
  it('is asked only while nothing else is heard', async () => {
    const { url, asked } = await feed();
    let now = 0;
    let pauses = 0;
    let hear = () => {};
    const { http } = listener([url], (clock) => ({
      monotonic: () => now,
      after: (_, done) => {
        pauses++;
        now += 190;
        hear();
        return clock.after(1, done);
      },
    }));
    hear = () => http.heard();
    await until('some looks at the clock', () => pauses > 5);
    expect(asked).toEqual([]);
    hear = () => {};
    await until('a question', () => asked.length > 0);
  });

  it('brings charter, revocations, offers, verdicts and checkpoint, and looks at the same offers again without having them sent again', async () => {
    const { url, asked } = await feed();
    const { taken } = listener([url]);
    await until('two looks', () => taken.offers.length >= 2);
    expect(taken.offers[1]).toEqual(offer);
    expect(taken.verdicts).toEqual([verdict]);
    expect(taken.charters).toEqual(['c.h.a']);
    expect(taken.revocations).toEqual([{ charters: ['c.h.a'], revocations: ['r.e.v'] }]);
    expect(taken.checkpoints[0]).toBe('a note');
    expect(asked.slice(0, 5)).toEqual(['charter', 'revocations', 'offers', 'verdicts', 'checkpoint']);
    expect(asked.slice(5, 8)).toEqual(['charter again', 'revocations again', 'offers again']);
  });

  it('goes through all revocations, page by page, also where the first page is as it was', async () => {
    const list = (name: string, next?: string) => ({
      charters: [],
      revocations: [name],
      ...(next !== undefined && { next }),
    });
    const [one, two] = ['a'.repeat(64), 'b'.repeat(64)];
    const all = `/v1/${project}/revocations`;
    const { url, asked } = await feed({
      [all]: list('1', one),
      [`${all}?after=${one}`]: list('2', two),
      [`${all}?after=${two}`]: list('3'),
    });
    const { taken } = listener([url]);
    const page = (of: string) => `revocations?after=${of}`;
    await until('two looks', () => asked.includes(`${page(two)} again`));
    expect(taken.revocations.map(({ revocations }) => revocations[0])).toEqual(['1', '2', '3']);
    const pages = asked.filter((path) => path.startsWith('revocations'));
    expect(pages.slice(0, 3)).toEqual(['revocations', page(one), page(two)]);
    expect(pages.slice(3, 6)).toEqual(['revocations again', `${page(one)} again`, `${page(two)} again`]);
  });

  it('goes through all open offers, page by page, and asks for each page again the next time', async () => {
    const signed = await Promise.all(
      [1, 2, 3].map(async (n) => {
        const { raw, id } = await signMessage(
          'offer',
          makeOffer('0'.repeat(64), verdict.job, { index: n }),
          testKey('controller').signer,
        );
        return { id, notice: { ...offer, offer: raw } };
      }),
    );
    const [one, two, three] = signed;
    const path = `/v1/${project}/offers`;
    const { url, asked } = await feed({
      [path]: [one?.notice, two?.notice],
      [`${path}?after=${two?.id}`]: [three?.notice],
      [`${path}?after=${three?.id}`]: [],
    });
    const { taken, told } = listener([url]);
    const looked = () => asked.filter((name) => name.startsWith('offers'));
    await until('two passes', () => looked().length >= 6);
    const all = signed.map(({ notice }) => notice);
    expect(taken.offers.slice(0, 6)).toEqual([...all, ...all]);
    const pages = ['offers', `offers?after=${two?.id}`, `offers?after=${three?.id}`];
    expect(looked().slice(0, 6)).toEqual([...pages, ...pages.map((name) => `${name} again`)]);
    expect(told.filter((line) => line.startsWith('warn'))).toEqual([]);
  });

  it('ends where a controller sends it round', async () => {
    const { raw, id } = await signMessage(
      'offer',
      makeOffer('0'.repeat(64), verdict.job),
      testKey('controller').signer,
    );
    const path = `/v1/${project}/offers`;
    const again = { ...offer, offer: raw };
    const { url, asked } = await feed({ [path]: [again], [`${path}?after=${id}`]: [again] });
    const { taken } = listener([url]);
    await until('a verdict', () => taken.verdicts.length > 0);
    // Meanwhile there may have been a second look.
    const pages = asked.filter((name) => name.startsWith('offers')).map((name) => name.replace(' again', ''));
    expect(pages.slice(0, 2)).toEqual(['offers', `offers?after=${id}`]);
    expect(pages.filter((name, n) => name === pages[n + 1])).toEqual([]);
  });

  it('goes from one address to the next, ever more slowly, and says once what is wrong', async () => {
    const { url } = await feed();
    const bad = await feed({ [`/v1/${project}/charter`]: { charter: 'c.h.a', and: 'more' } });
    const { taken, told } = listener(['http://127.0.0.1:1', bad.url, url]);
    await until('the third', () => taken.offers.length > 0);
    expect(told.filter((line) => line.startsWith('warn'))).toHaveLength(1);
    expect(taken.charters).toEqual(['c.h.a']);
  });

  it('of a controller that has none is left alone', async () => {
    let pauses = 0;
    const { told } = listener(undefined, (clock) => ({
      after: (ms, done) => {
        pauses++;
        return clock.after(ms, done);
      },
    }));
    await until('some looks', () => pauses > 3);
    expect(told).toEqual([]);
  });
});
