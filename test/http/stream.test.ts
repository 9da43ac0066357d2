import type { Context } from 'hono';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { servePages } from '../../src/controller/page/page-app.ts';
import { type Answer, answerWith, artifactAnswer, attachment } from '../../src/http/answer.ts';
import { formFields } from '../../src/http/body.ts';
import { holderOf, targetOf, untilGone } from '../../src/http/env.ts';
import { feedAnswers } from '../../src/http/feed.ts';
import { Live } from '../../src/http/kit/live.ts';
import { httpLimits } from '../../src/http/limits.ts';
import { Slots } from '../../src/http/slots.ts';
import { gathered, paid, piecesOf, streamOf, wholeBytesMax } from '../../src/http/stream.ts';
import { limits } from '../../src/protocol/base/limits.ts';
import { project } from '../support/project.ts';
import { withLimits } from '../support/with-limits.ts';
import { ask, bundleName, viewOf } from './support.ts';

const kib = 1024;

async function* chunks(...sizes: number[]): AsyncGenerator<Uint8Array> {
  for (const size of sizes) yield new Uint8Array(size);
}

async function sizesOf(body: AsyncIterable<Uint8Array>): Promise<number[]> {
  const sizes: number[] = [];
  for await (const { length } of body) sizes.push(length);
  return sizes;
}

function still(): void {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
}

/** A body of two chunks, each of which takes a second, and the order in which they and another task have their turn. */
function slowBody() {
  still();
  const order: string[] = [];
  setImmediate(() => order.push('another'));
  async function* chunksOf() {
    for (const name of ['a', 'b']) {
      order.push(name);
      vi.advanceTimersByTime(1_000);
      yield new Uint8Array(1);
    }
  }
  return { order, body: chunksOf() };
}

describe('chunks', () => {
  it.each([
    [[], []],
    [[1, 2], [3]],
    [[64 * kib], [64 * kib]],
    [
      [64 * kib - 1, 1, 5],
      [64 * kib, 5],
    ],
    [[64 * kib - 1, 2], [64 * kib + 1]],
    [
      [100 * kib, 100 * kib, 0],
      [100 * kib, 100 * kib],
    ],
  ])('of %j bytes are sent as %j', async (given, sent) => {
    expect(await sizesOf(gathered(chunks(...given)))).toEqual(sent);
  });

  it('cost as much as the least, what they lack is told', async () => {
    const more: number[] = [];
    await sizesOf(gathered(chunks(99, 100, 101, 0), 100, (bytes) => more.push(bytes)));
    expect(more).toEqual([1, 100]);
  });

  it('that are there are gathered in slices, between which others have their turn', async () => {
    const { order, body } = slowBody();
    await sizesOf(gathered(body));
    expect(order).toEqual(['a', 'another', 'b']);
  });

  it.each([
    [0, []],
    [1, [1]],
    [64 * kib, [64 * kib]],
    [128 * kib + 1, [64 * kib, 64 * kib, 1]],
  ])('of %d bytes in memory are %j', async (length, sizes) => {
    expect(await sizesOf(piecesOf(new Uint8Array(length)))).toEqual(sizes);
  });
});

describe('a body in chunks', () => {
  const contextOf = (env?: object) => ({ env, set() {} }) as unknown as Context;

  it('is charged as it is taken, with its weight', async () => {
    const sent: [number, number | undefined][] = [];
    const account = { sent: (...of: [number, number | undefined]) => sent.push(of) - 1 };
    const stream = streamOf(contextOf({ account }), chunks(5, 6), { weight: 3 });
    expect(sent).toEqual([]);
    expect(await sizesOf(stream)).toEqual([5, 6]);
    expect(sent).toEqual([
      [5, 3],
      [6, 3],
    ]);
  });

  it('waits where its client has used up its part, and only there', async () => {
    const account = (ms: number) => ({ sent: () => ms }) as never;
    /** Whether it was over before any timer could end. */
    const isAtOnce = async (of: never) => {
      let isOver = false;
      void paid(of, 1, 1).then(() => {
        isOver = true;
      });
      for (let turn = 0; turn < 20; turn++) await Promise.resolve();
      return isOver;
    };
    expect([await isAtOnce(undefined as never), await isAtOnce(account(0))]).toEqual([true, true]);
    expect(await isAtOnce(account(1))).toBe(false);
  });

  it('that is there is sent in slices', async () => {
    const { order, body } = slowBody();
    await sizesOf(streamOf(contextOf(), body));
    expect(order).toEqual(['a', 'another', 'b']);
  });

  it('that breaks off ends the connection; without one it is a failure', async () => {
    async function* broken() {
      yield new Uint8Array(1);
      throw new Error('a block is gone');
    }
    await expect(sizesOf(streamOf(contextOf(), broken()))).rejects.toThrow('a block is gone');
    const outgoing = { destroy: vi.fn() };
    expect(await sizesOf(streamOf(contextOf({ outgoing }), broken()))).toEqual([1]);
    expect(outgoing.destroy).toHaveBeenCalledOnce();
  });

  it('ends with its client', async () => {
    let ended = false;
    async function* body() {
      try {
        yield* chunks(1, 1, 1);
      } finally {
        ended = true;
      }
    }
    const reader = streamOf(contextOf(), body()).getReader();
    await reader.read();
    await reader.cancel();
    expect(ended).toBe(true);
  });
});

it.each([
  ['a/b.txt', 'b.txt'],
  ['a\\\\b', 'b'],
  ['', 'file'],
  ['a/', 'file'],
  ['..x', '_x'],
  ['a b$', 'a_b_'],
  ['x'.repeat(101), 'x'.repeat(100)],
])('the file %j is saved as %s', (name, saved) => {
  const about = {
    level: 'trusted',
    name,
    extension: '',
    id: 'i',
    body: new Uint8Array(),
    type: 't',
  } as const;
  const [path = '', ending] = artifactAnswer(about).fileName ?? [];
  expect(attachment(path, ending)).toBe(`attachment; filename="${saved}"`);
});

describe('an answer', () => {
  /** Bytes that were charged, one number a time. */
  async function charged(
    body: Uint8Array | AsyncIterable<Uint8Array>,
    more: Partial<Answer> = {},
    init: RequestInit = {},
  ) {
    const sent: number[] = [];
    const account = { sent: (bytes: number) => sent.push(bytes) * 0 };
    const headers = new Headers(init.headers);
    let isCounted = false;
    const c = {
      env: { account },
      req: { method: init.method ?? 'GET', header: (name: string) => headers.get(name) ?? undefined },
      set: () => {
        isCounted = true;
      },
      body: (of: BodyInit, status: number, given: Record<string, string>) =>
        new Response(of, { status, headers: given }),
    };
    let released = 0;
    const about = { etag: '"e"', type: 'text/plain', cache: 'no-cache', ...more };
    const answer = answerWith(c as never, { ...about, body } as never, () => released++);
    const { length } = await answer.bytes();
    expect(released).toBe(1);
    return { sent, isCounted, length, status: answer.status, headers: answer.headers };
  }

  it('is sent as a whole up to a bound, and in pieces above', async () => {
    // A whole one is charged for by who serves it, by its length.
    expect(await charged(new Uint8Array(wholeBytesMax))).toMatchObject({
      sent: [],
      isCounted: false,
      length: wholeBytesMax,
    });
    const { sent, length, headers } = await charged(new Uint8Array(wholeBytesMax + 1));
    expect([sent, length]).toEqual([[64 * kib, 64 * kib, 64 * kib, 64 * kib, 1], wholeBytesMax + 1]);
    expect([headers.get('content-length'), headers.get('transfer-encoding')]).toEqual([
      `${wholeBytesMax + 1}`,
      null,
    ]);
  });

  it('in chunks has no length where none is known, and small chunks cost more', async () => {
    const { sent, headers } = await charged(chunks(10, 200), { leastBytes: 100 });
    expect([sent, headers.get('transfer-encoding')]).toEqual([[90, 210], 'chunked']);
    expect((await charged(chunks(3), { size: 3 })).headers.get('content-length')).toBe('3');
  });

  it.each([
    ['that is known', { headers: { 'if-none-match': '"e"' } }, 304],
    ['of which the head is asked for', { method: 'HEAD' }, 200],
  ])('%s costs what it takes to read, and nothing where it is not read', async (_, init, status) => {
    expect(await charged(new Uint8Array(9), {}, init)).toMatchObject({
      sent: [9],
      length: 0,
      status,
      isCounted: true,
    });
    expect(await charged(chunks(9), {}, init)).toMatchObject({
      sent: [],
      length: 0,
      status,
      isCounted: true,
    });
  });
});

it('an answer is slow after a time, where its client reads fewer bytes than it could', () => {
  still();
  const socket = { bytesWritten: 0, writableLength: 0 };
  let ended = 0;
  const holder = holderOf({ socket, destroy: () => ended++ } as never);
  const { slowMsMin, slowBytesPerSecond } = httpLimits;
  const isSlow = (bytesWritten: number, writableLength: number) => {
    Object.assign(socket, { bytesWritten, writableLength });
    return holder?.isSlow();
  };
  vi.advanceTimersByTime(slowMsMin);
  expect(isSlow(1, 1)).toBe(false);
  vi.advanceTimersByTime(slowMsMin);
  const enough = (2 * slowMsMin * slowBytesPerSecond) / 1000;
  expect([isSlow(1, 1), isSlow(0, 0), isSlow(enough + 1, 1), isSlow(enough, 1)]).toEqual([
    true,
    false,
    false,
    true,
  ]);
  holder?.end();
  expect(ended).toBe(1);
  for (const none of [undefined, {}, { socket: null }]) expect(holderOf(none as never)).toBeUndefined();
});

it('a target is path and query, whoever is asked for them', () => {
  const of = (url: string) => targetOf({ req: { url } } as never);
  expect([of('http://x:1/a?b=c'), of('HTTPS://x/%61'), of('/a')]).toEqual(['/a?b=c', '/%61', '/a']);
});

it('a body is read no further once its client is gone, also where its first piece is not whole', async () => {
  const gone: (() => void)[] = [];
  const outgoing = {
    destroyed: false,
    once: (_: string, end: () => void) => gone.push(end),
    destroy: () => {},
  };
  let read = 0;
  async function* body() {
    for (; read < 1_000; yield new Uint8Array(1)) if (++read === 3) for (const end of gone) end();
  }
  const c = {
    env: { outgoing },
    set: () => {},
    req: { method: 'GET', header: () => undefined },
    body: (bytes: BodyInit) => new Response(bytes),
  };
  const about = { etag: '"e"', type: 'application/octet-stream', cache: 'no-cache' };
  const answer = answerWith(c as never, { ...about, body: body() } as never, () => {});
  expect((await answer.bytes()).length).toBe(0);
  expect(read).toBe(3);
});

it('work for an answer ends with its client; without one it has no end', () => {
  const ends: (() => void)[] = [];
  const outgoing = { destroyed: false, once: (_: string, end: () => void) => ends.push(end) };
  const gone = untilGone({ env: { outgoing } } as never);
  expect([gone.aborted, untilGone({ env: {} } as never).aborted]).toEqual([false, false]);
  for (const end of ends) end();
  expect(gone.aborted).toBe(true);
});

it('slots may all be of one client, and are not fewer than it may have', () => {
  expect(new Slots({ max: 1, perClientMax: 1, what: 'x' }).tryTake('a')).toBeDefined();
  expect(() => new Slots({ max: 1, perClientMax: 2, what: 'x' })).toThrow('a client has at most all slots');
});

describe('the fields of a form', () => {
  const of = (error?: Error) =>
    formFields({
      req: { parseBody: async () => (error === undefined ? { a: 'b' } : Promise.reject(error)) },
    } as never);
  it('are none where the body is no form, and an error where it broke off', async () => {
    expect([await of(), await of(new TypeError('no form'))]).toEqual([{ a: 'b' }, {}]);
    await expect(of(new Error('aborted'))).rejects.toThrow('aborted');
  });
});

describe('a list of the feed', () => {
  const path = (name: string) => `/v1/${project}/${name}`;
  const textOf = async (answer: Promise<[Answer, () => void]>) =>
    Buffer.from((await answer)[0].body as Uint8Array).toString();

  it('is kept up to its time, and not at it', async () => {
    let count = 0;
    const routes = feedAnswers(viewOf({ verdicts: () => [{ n: ++count }] as never }));
    const at = (now: number) => textOf(routes(path('verdicts'), now));
    const first = await at(1_000);
    expect([await at(1_000 + httpLimits.listMs - 1), await at(1_000 + httpLimits.listMs)]).toEqual([
      first,
      '[{"n":2}]',
    ]);
  });

  it('gives its place where there are as many as are kept, the one made longest ago first', async () => {
    withLimits(httpLimits, { listsKeptMax: 3 });
    const asked: string[] = [];
    const made = (name: string) => () => {
      asked.push(name);
      return [];
    };
    const routes = feedAnswers(viewOf({ verdicts: made('verdicts'), offers: made('offers') }));
    const at = (name: string, now: number) => textOf(routes(path(name), now));
    await at('verdicts', 0);
    await at('offers', 1);
    await at('verdicts', httpLimits.listMs);
    await at('charter', httpLimits.listMs);
    await at('checkpoint', httpLimits.listMs);
    asked.length = 0;
    await at('verdicts', httpLimits.listMs);
    await at('offers', httpLimits.listMs);
    expect(asked).toEqual(['offers']);
  });

  it('that could not be made is made again', async () => {
    let count = 0;
    const charter = () => (++count === 1 ? undefined : 'c.h.a');
    const routes = feedAnswers(viewOf({ charter: charter as never, checkpoint: () => undefined }));
    await expect(routes(path('charter'), 0)).rejects.toMatchObject({ code: 'HTTP_NOT_FOUND' });
    expect(await textOf(routes(path('charter'), 0))).toBe('{"charter":"c.h.a"}');
    await expect(routes(path('checkpoint'), 0)).rejects.toMatchObject({ code: 'HTTP_NOT_FOUND' });
    expect(await textOf(routes(path('revocations'), 0))).toContain('"revocations":[]');
    expect(await textOf(feedAnswers(viewOf())(path('checkpoint'), 0))).toContain('a note');
  });

  it('has as many items as fit', async () => {
    const offers = () => ['aaaa', 'bbbb', 'cccc'] as never;
    const of = async (feedBytesMax: number) => {
      withLimits(limits, { feedBytesMax });
      return textOf(feedAnswers(viewOf({ offers }))(path('offers'), 0));
    };
    // Two for the brackets, seven for each.
    expect([await of(16), await of(15), await of(8)]).toEqual(['["aaaa","bbbb"]', '["aaaa"]', '[]']);
  });

  it('is made in slices', async () => {
    still();
    const order: string[] = [];
    setImmediate(() => order.push('another'));
    const item = (name: string) => ({
      toJSON() {
        order.push(name);
        vi.advanceTimersByTime(1_000);
        return name;
      },
    });
    await feedAnswers(viewOf({ offers: () => [item('a'), item('b')] as never }))(path('offers'), 0);
    expect(order).toEqual(['a', 'another', 'b']);
  });

  it('gives the slot of a bundle back where there is none, and charges for what is read before', async () => {
    const paid: number[] = [];
    const account = { pay: (price: number) => void paid.push(price) } as never;
    const bundleBytes = async (which: string) =>
      which === bundleName ? 2 * httpLimits.bytesPerRequest : undefined;
    const routes = feedAnswers(viewOf({ bundleBytes }));
    const get = (which: string) => routes(path(`bundle/${which}`), 0, { client: 'a', account });
    for (let n = 0; n < httpLimits.bundlesMax + 1; n++)
      await expect(get('bafyreinone')).rejects.toMatchObject({ code: 'HTTP_NOT_FOUND' });
    const releases = [];
    for (let n = 0; n < httpLimits.bundlesPerAddressMax; n++) releases.push((await get(bundleName))[1]);
    await expect(get(bundleName)).rejects.toMatchObject({ code: 'HTTP_BUSY' });
    for (const release of releases) release();
    await get(bundleName);
    expect([paid[0], paid.at(-1)]).toEqual([0, 2]);
  });
});

it('pages of a view alone are served by their names until they are closed', async () => {
  const view = {
    project,
    name: 'demo',
    branches: () => [],
    queue: () => [],
    counts: () => ({ open: 0 }),
    policy: () => undefined,
    workers: () => ({ shown: [], count: 0 }),
    runs: () => ({ runs: [], next: undefined }),
    trouble: () => ({
      alarms: { count: 0 },
      revoked: { count: 0 },
      revocations: [],
      equivocations: [],
      fullKeys: [],
      full: null,
      declined: [],
    }),
  };
  const ends = vi.spyOn(Live.prototype, 'close');
  onTestFinished(() => ends.mockRestore());
  const server = await servePages({
    host: '127.0.0.1',
    port: 0,
    view: view as never,
    urls: ['http://ci.example'],
  });
  onTestFinished(() => server.close());
  expect(server.host).toBe('127.0.0.1');
  const page = await ask(server, '/', { headers: { host: 'ci.example' } });
  expect([page.status, page.body.includes('demo')]).toEqual([200, true]);
  expect((await ask(server, '/', { headers: { host: 'other.example' } })).status).toBe(421);
  await server.close();
  expect(ends).toHaveBeenCalledOnce();
  await expect(ask(server, '/')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});
