import { setTimeout as sleep } from 'node:timers/promises';
import { Hono } from 'hono';
import { describe, expect, it, onTestFinished } from 'vitest';
import { addAlarmRoute } from '../../../src/controller/page/actions.ts';
import { pageLimits } from '../../../src/controller/page/limits.ts';
import { pageApp } from '../../../src/controller/page/page-app.ts';
import type { PagePorts } from '../../../src/controller/page/ports.ts';
import { filesOf } from '../../../src/controller/page/tree-routes.ts';
import { TooManyRequests } from '../../../src/http/accounts.ts';
import type { HttpEnv } from '../../../src/http/env.ts';
import { errorPage } from '../../../src/http/kit/layout.ts';
import type { Source } from '../../../src/http/kit/live.ts';
import { httpLimits } from '../../../src/http/limits.ts';
import { wholeApp } from '../../../src/http/listen.ts';
import { workPrices } from '../../../src/http/prices.ts';
import { staticUrl } from '../../../src/http/static-files.ts';
import type { LogStep } from '../../../src/protocol/base/log-steps.ts';
import { withLimits } from '../../support/with-limits.ts';
import { A } from '../machine/bench.ts';

const run = 'a'.repeat(64);
const lease = 'l'.repeat(64);
const log = `/runs/${run}/logs/${lease}`;

/** The pages of a project with one run and one log, of so many lines; what follows something is kept instead of being followed. */
function siteOf(over: Partial<PagePorts> = {}) {
  const told = {
    lines: 0,
    isLive: false,
    version: 'v1',
    views: 0,
    sealed: false,
    read: 0,
    steps: [] as LogStep[],
  };
  const followed: { key: string; source: Source; since: string; until: AbortSignal | undefined }[] = [];
  const summary = {
    run,
    job: 'b'.repeat(64),
    name: 'app',
    repo: 'https://git.example/app',
    ref: 'refs/heads/main',
    commit: 'c'.repeat(40),
    state: 'building',
    level: null,
    artifact: null,
    submittedAt: 0,
    round: 1,
    policy: { agree: 1, of: 1, cosign: false },
  };
  const view = {
    project: 'p',
    name: 'demo',
    bootstrap: () => [],
    branches: () => [],
    queue: () => [],
    defaultBranch: () => undefined,
    counts: () => ({ open: told.views, disputed: 0 }),
    workers: () => ({ shown: [], count: 0 }),
    runs: () => ({ runs: [], next: undefined }),
    policy: () => undefined,
    trouble: () => ({
      alarms: { count: 0, runs: [] },
      revoked: { count: 0, runs: [] },
      revocations: [],
      equivocations: [],
      fullKeys: [],
      full: null,
      declined: [],
    }),
    run: () => {
      told.views++;
      return {
        summary,
        publisher: 'ada',
        history: [],
        over: false,
        pipeline: [],
      };
    },
    version: () => told.version,
  };
  const logs = {
    of: () => ({
      builds: [{ lease, worker: 'w', operator: 'ada', slot: '0', delivered: false }],
      sealed: told.sealed,
    }),
    isLive: () => told.isLive,
    pages: {
      head: async () => ({ count: told.lines, steps: told.steps, times: new Map() }),
      page: async (_: string, from: number, max: number) => {
        const length = Math.max(0, Math.min(max, told.lines - from + 1));
        told.read += length;
        return {
          from,
          lines: Array.from({ length }, () => 'x'),
          count: told.lines,
          version: 1,
          times: new Map(),
        };
      },
      search: async (_: string, __: string, { looked }: { looked(piece: object): Promise<void> }) => {
        await looked({ bytes: 1000, lines: 2 });
        return { found: [], next: undefined };
      },
    },
    read: async function* () {
      yield 'text';
    },
  };
  const live = {
    follow: (_: unknown, key: string, source: () => Source, more: { since: string; until?: AbortSignal }) => {
      followed.push({ key, source: source(), until: undefined, ...more });
      return new Response('followed');
    },
  };
  const app = wholeApp(pageApp({ view, logs, live, ...over } as never), errorPage);
  const get = async (path: string, init: RequestInit = {}, env = {}) => {
    const answer = await app.request(path, init, env);
    return { status: answer.status, text: await answer.text(), headers: answer.headers };
  };
  return { told, followed, get, logs, view };
}

/** A client whose answers end when it is told so. */
function envOf() {
  const ends: (() => void)[] = [];
  const outgoing = { destroyed: false, once: (_: 'close', end: () => void) => ends.push(end) };
  return { env: { client: 'a', outgoing }, end: () => ends.splice(0).forEach((end) => void end()) };
}

describe('the page of a run', () => {
  it('that is followed costs what its first parts read, as the page does', async () => {
    const { view } = siteOf();
    const of = () => ({ ...view.run(), summary: { ...view.run().summary, reports: A } });
    const get = async (_: string, before: () => void) => before();
    const trees = {
      isShown: () => true,
      isHere: () => true,
      list: async () => undefined,
      testReports: { get },
    };
    for (const path of [`/runs/${run}`, `/runs/${run}/events`]) {
      const site = siteOf({ view: { ...view, run: of }, trees: { ...trees } } as never);
      const paid: number[] = [];
      const account = { pay: (price: number) => void paid.push(price), sent: () => 0 };
      await site.get(path, {}, { account });
      const { files, testReport } = workPrices;
      expect([path, paid.includes(files), paid.includes(testReport)]).toEqual([path, true, true]);
    }
  });
});

describe('the log of a build', () => {
  it.each([
    // line asked for, lines, whether it is written, the text, whether it goes on by itself
    ['', 0, true, 'Nothing was written yet.', true],
    ['?line=10', 9, true, 'Lines 1 to 9 of 9', true],
    ['?line=10', 10, true, 'Lines 1 to 10 of 10', false],
    ['?line=10', 11, false, 'Lines 1 to 10 of 11', false],
    ['?line=11', 11, true, 'Lines 11 to 11 of 11', true],
    ['?line=11', 10, true, 'Lines 11 to 10 of 10', true],
    ['?line=11', 20, true, 'Lines 11 to 20 of 20', false],
    ['?line=0', 3, false, 'Lines 1 to 3 of 3', false],
    ['?line=1234567890', 3, false, 'Lines 1 to 3 of 3', false],
  ])('at "%s" of %d lines, written still: %s', async (query, lines, isLive, says, follows) => {
    withLimits(pageLimits, { logLinesMax: 10 });
    const { get, told } = siteOf();
    Object.assign(told, { lines, isLive });
    const { status, text } = await get(`${log}${query}`);
    expect([status, text.includes(says), text.includes('data-events')]).toEqual([200, true, follows]);
  });

  it('has its head without its lines, and so has its text', async () => {
    const { get, told } = siteOf();
    told.lines = 3;
    for (const path of [log, `${log}/raw`]) {
      const { status, text, headers } = await get(path, { method: 'HEAD' });
      expect([path, status, text, headers.get('transfer-encoding')]).toEqual([path, 200, '', 'chunked']);
    }
    expect(told.read).toBe(0);
    expect((await get(`${log}/raw`)).text).toBe('text');
  });

  it('that there is not is not found, or sealed', async () => {
    const { get, told } = siteOf();
    const other = `/runs/${run}/logs/other`;
    expect((await get(other)).text).toContain('HTTP_NOT_FOUND');
    told.sealed = true;
    expect((await get(other)).text).toContain('LOGS_SEALED');
  });

  it('is searched at the cost of what is read, and is not searched by one address twice at once', async () => {
    const { get } = siteOf();
    const sent: [number, number | undefined][] = [];
    const account = {
      pay() {},
      sent: (bytes: number, weight?: number) => {
        sent.push([bytes, weight]);
        return 0;
      },
      isWaiting: false,
    };
    const outgoing = { once() {}, destroyed: false };
    const env = { account, client: 'a', outgoing };
    const found = await get(`${log}?q=x`, {}, env);
    expect(found.text).toContain('Not found.');
    expect(sent[0]).toEqual([1000 + 64 * 2, 2]);
    expect(sent[1]).toEqual([found.text.length, 4]);
    // It was given back with the answer.
    expect((await get(`${log}?q=x`, {}, env)).status).toBe(200);
  });

  it('is searched for others once its client has gone', async () => {
    const { promise } = Promise.withResolvers<never>();
    const { logs } = siteOf();
    const begun: string[] = [];
    const search = (_: string, query: string) => {
      begun.push(query);
      return query === 'stuck' ? promise : { found: [], next: undefined };
    };
    const { get } = siteOf({ logs: { ...logs, pages: { ...logs.pages, search } } } as never);
    const { env, end } = envOf();
    void get(`${log}?q=stuck`, {}, env);
    await expect.poll(() => begun).toEqual(['stuck']);
    expect((await get(`${log}?q=x`, {}, env)).status).toBe(503);
    end();
    expect((await get(`${log}?q=x`, {}, env)).status).toBe(200);
  });

  it('that is searched waits where its client has had its part', async () => {
    const { logs } = siteOf();
    let isAtOnce: boolean | undefined;
    const search = async (_: string, __: string, { looked }: { looked(piece: object): Promise<void> }) => {
      const looking = looked({ bytes: 1, lines: 1 }).then(() => {
        isAtOnce ??= true;
      });
      for (let turn = 0; turn < 20; turn++) await Promise.resolve();
      isAtOnce ??= false;
      await looking;
      return { found: [], next: undefined };
    };
    const { get } = siteOf({ logs: { ...logs, pages: { ...logs.pages, search } } } as never);
    const account = { pay() {}, sent: () => 1, isWaiting: false };
    expect((await get(`${log}?q=x`, {}, { account })).status).toBe(200);
    expect(isAtOnce).toBe(false);
  });

  it.each([log, `${log}/raw`])('is sent to one client so many times at once: %s', async (path) => {
    withLimits(httpLimits, { treesPerAddressMax: 1 });
    const { get } = siteOf();
    const { env, end } = envOf();
    const statuses = async (...methods: string[]) => {
      const got: number[] = [];
      for (const method of methods) got.push((await get(path, { method }, env)).status);
      return got;
    };
    // Its head takes no slot.
    expect(await statuses('HEAD', 'HEAD', 'GET', 'GET')).toEqual([200, 200, 200, 503]);
    end();
    expect(await statuses('GET')).toEqual([200]);
  });
});

describe('lines as they come', () => {
  async function source() {
    const { get, told, followed } = siteOf();
    const { status } = await get(`${log}/events`, { headers: { 'last-event-id': '5' } });
    const [first] = followed;
    if (status !== 200 || first === undefined) throw new Error('it is not followed');
    return { told, source: first.source, first };
  }
  const linesOf = (data: string | undefined) => data?.split('<div id=').length ?? 0;

  it('begin where the client was, and end with the log', async () => {
    const { told, source: of, first } = await source();
    expect([first.key, first.since, first.source.everyMs]).toEqual([
      `log ${lease}`,
      '5',
      pageLimits.logLookMs,
    ]);
    Object.assign(told, { lines: 7, isLive: true });
    const news = await of.next('5');
    expect([news?.name, news?.id, linesOf(news?.data) - 1, news?.last]).toEqual(['lines', '8', 3, undefined]);
    expect(news?.data).toContain('id="L5"');
    expect(await of.next('8')).toBeUndefined();
    told.isLive = false;
    expect(await of.next('8')).toEqual({ name: 'end', data: '', id: '8', last: true });
    expect(await of.next('')).toMatchObject({ name: 'lines', id: '8' });
    expect(await of.next('0')).toMatchObject({ name: 'lines', id: '8' });
  });

  it('begin a step with each that begins, and say how the one before it ended', async () => {
    const { told, source: of } = await source();
    const step = (n: number, line: number) => ({ n, of: 2, name: `make ${n}`, line });
    Object.assign(told, { lines: 9, isLive: true, steps: [step(1, 3), step(2, 6)] });
    const told1 = await of.next('1');
    expect([told1?.id, linesOf(told1?.data) - 1]).toEqual(['3', 2]);
    const first = await of.next('3');
    expect([first?.id, linesOf(first?.data) - 1]).toEqual(['6', 3]);
    expect(first?.data).toMatch(
      /^<details class="step" open><summary id="S1">.*passed.*<div><div id="L3">.*<\/details>$/,
    );
    // A client that comes back within a step has it already.
    expect((await of.next('4'))?.data).toMatch(/^<div id="L4">/);
    const second = await of.next('6');
    expect(second?.data).toMatch(/^<summary id="S1">.*passed.*<\/summary><details .*id="S2">.*running/);
    expect(await of.next('10')).toBeUndefined();
    Object.assign(told, {
      isLive: false,
      steps: [step(1, 3), { ...step(2, 6), failed: { code: 7, allowed: false, line: 9 } }],
    });
    const end = await of.next('10');
    expect([end?.name, end?.data]).toEqual(['end', expect.stringMatching(/^<summary id="S2">.*exit 7/)]);
  });

  it.each(['-1', '1234567890', 'x', ''])('of a client that was at "%s" begin with the first', async (id) => {
    const { get, followed } = siteOf();
    await get(`${log}/events`, { headers: { 'last-event-id': id } });
    expect(followed[0]?.since).toBe('1');
  });

  it('are so many in an event', async () => {
    withLimits(pageLimits, { logEventLinesMax: 500 });
    const { told, source: of } = await source();
    told.lines = 1_000;
    const news = await of.next('1');
    expect([news?.id, linesOf(news?.data) - 1]).toEqual(['501', 500]);
    // To the end of a block.
    expect((await of.next('2'))?.id).toBe('751');
  });

  it('have so many characters in an event', async () => {
    const { told, source: of } = await source();
    told.lines = 750;
    const chars = async (id: string) => (await of.next(id))?.data.length ?? 0;
    // Of the first block: all of it comes to the bound.
    const three = await chars('1');
    const block = three - (await chars('251'));
    withLimits(pageLimits, { logEventChars: block });
    expect((await of.next('1'))?.id).toBe('251');
    Object.assign(pageLimits, { logEventChars: block + 1 });
    expect((await of.next('1'))?.id).not.toBe('251');
  });
});

describe('parts of a page that is open', () => {
  it('of a run are sent when it has another version, made once for all', async () => {
    const { get, told, followed } = siteOf();
    expect((await get(`/runs/${run}/events`)).text).toBe('followed');
    const [first] = followed;
    const before = told.views;
    expect([first?.key, first?.source.everyMs]).toEqual([`run ${run} false`, pageLimits.runLookMs]);
    const news = await first?.source.next('');
    expect([news?.name, news?.data.includes('id="state"'), news?.data.includes('\n')]).toEqual([
      'parts',
      true,
      false,
    ]);
    expect([await first?.source.next(news?.id ?? ''), (await first?.source.next(''))?.id]).toEqual([
      undefined,
      news?.id,
    ]);
    expect(told.views - before).toBe(1);
    told.version = 'v2';
    const more = await first?.source.next(news?.id ?? '');
    expect([more?.name, more?.id === news?.id, told.views - before]).toEqual(['parts', false, 2]);
  });

  it('of the project are sent when their text is another one', async () => {
    const { get, told, followed } = siteOf();
    await get('/events?from=x');
    const [first] = followed;
    expect([first?.key, first?.since, first?.source.everyMs]).toEqual([
      'project',
      'x',
      pageLimits.projectLookMs,
    ]);
    const news = await first?.source.next('x');
    expect(news?.name).toBe('parts');
    expect(await first?.source.next(news?.id ?? '')).toBeUndefined();
    told.views = 7;
    const more = await first?.source.next(news?.id ?? '');
    expect(more?.data).toContain('Queue <span class="quiet">7</span>');
    expect(more?.id).not.toBe(news?.id);
  });

  it('and logs of a publisher end with their session; those of others are not of that channel', async () => {
    const { signal } = new AbortController();
    const sessionOf = () => ({ role: 'publisher', operator: 'ada', ended: signal });
    const { get, followed } = siteOf({ sessionOf } as never);
    await get(`/runs/${run}/events`);
    await get(`${log}/events`);
    expect(followed.map(({ key, until }) => [key, until])).toEqual([
      [`run ${run} true`, signal],
      [`log ${lease}`, signal],
    ]);
  });
});

it('the page of a run goes on while a job of its pipeline does, and what it put out nothing costs nothing', async () => {
  const { view } = siteOf();
  const job = (state: string) => ({ run: state, name: 'app', state, level: null, needs: [] });
  const paid: number[] = [];
  const account = { pay: (price: number) => void paid.push(price), sent: () => 0, isWaiting: false };
  const page = async (over: boolean, state: string) => {
    const trees = { isShown: () => true, isHere: () => true, list: async () => undefined };
    const shown = { ...view, run: () => ({ ...view.run(), over, pipeline: [job(state)] }) };
    return (await siteOf({ view: shown, trees } as never).get(`/runs/${run}`, {}, { account })).text;
  };
  const lives = `data-live="/runs/${run}/events"`;
  const pages = [await page(false, 'cancelled'), await page(true, 'building'), await page(true, 'cancelled')];
  expect(pages.map((text) => text.includes(lives))).toEqual([true, true, false]);
  expect(paid).not.toContain(4);
});

describe('requests that are refused', () => {
  it('the page of a test with reports is refused as a whole, and leaves no error behind', async () => {
    const left: unknown[] = [];
    const keep = (error: unknown) => left.push(error);
    process.on('unhandledRejection', keep);
    onTestFinished(() => void process.off('unhandledRejection', keep));
    const { view } = siteOf();
    const shown = { ...view, run: () => ({ ...view.run(), summary: { ...view.run().summary, reports: A } }) };
    const trees = {
      isShown: () => true,
      isHere: () => true,
      testReports: { get: (_: string, pay: () => void) => pay() },
    };
    const pay = (price: number) => {
      if (price > 1) throw new TooManyRequests(1);
    };
    const { get } = siteOf({ view: shown, trees } as never);
    expect(
      (await get(`/runs/${run}`, {}, { account: { pay, sent: () => 0, isWaiting: false } })).status,
    ).toBe(429);
    await sleep(10);
    expect(left).toEqual([]);
  });

  it('an alarm is ended by a publisher only', async () => {
    const ended: string[][] = [];
    const appFor = (role: string | undefined, name?: string) => {
      const app = new Hono<HttpEnv>();
      addAlarmRoute(app, {
        sessionOf: () => (role === undefined ? undefined : { role, name }),
        acknowledge: async (...of: string[]) => void ended.push(of),
        view: { run: (which: string) => ({ summary: { run: which } }) },
      } as never);
      return wholeApp(app);
    };
    const post = async (app: Hono<HttpEnv>) =>
      (await app.request('/runs/x/acknowledge', { method: 'POST' })).status;
    expect([await post(appFor(undefined)), await post(appFor('reader'))]).toEqual([404, 404]);
    expect([await post(appFor('publisher', 'ada')), await post(appFor('publisher'))]).toEqual([303, 303]);
    expect(ended).toEqual([
      ['x', 'ada'],
      ['x', 'somebody who is signed in'],
    ]);
  });

  it('a file of the pages that there is not', async () => {
    const { get } = siteOf();
    const sent: number[] = [];
    const account = { pay() {}, sent: (bytes: number) => sent.push(bytes) * 0, isWaiting: false };
    const css = await get(staticUrl('page.css'), {}, { account });
    expect([css.status, sent]).toEqual([200, [Buffer.byteLength(css.text)]]);
    for (const path of ['/static/none.css', '/static/page.css', `${staticUrl('page.css')}x`])
      expect([path, (await get(path)).status]).toEqual([path, 404]);
    expect(() => staticUrl('none.css')).toThrow('there is no static file none.css');
  });
});

describe('an artifact', () => {
  const treesOf = (over: object = {}) => ({
    isShown: () => true,
    isHere: () => true,
    level: () => 'trusted',
    called: () => undefined,
    list: async () => ({ files: [], more: false }),
    entry: async () => undefined,
    file: async function* () {},
    tar: async function* () {
      yield new Uint8Array(3);
    },
    ...over,
  });

  it.each<[string, object, string]>([
    [`/trees/${A}.tar`, { isShown: () => false }, 'no such artifact'],
    [`/trees/${A}.zip`, {}, 'no such artifact'],
    ['/trees/short.tar', {}, 'no such artifact'],
    [`/trees/${A}.tar`, { isHere: () => false }, 'that artifact is not here'],
    [`/trees/${A}.cdx.json`, {}, 'there is no list of what it was made from'],
    [
      `/trees/${A}.cdx.json`,
      { sboms: { get: async () => undefined } },
      'there is no list of what it was made from',
    ],
    [`/trees/${A}/file?path=x`, {}, 'no such file'],
    [`/trees/${A}/file?path=x`, { isShown: () => false }, 'no such file'],
    [`/trees/${A}/file?path=x`, { entry: async () => ({ kind: 'dir' }) }, 'no file, but a folder'],
    [`/trees/${A}/file?path=x`, { entry: async () => ({ kind: 'link' }) }, 'no file, but a link'],
    [`/trees/${A}/file`, {}, 'no such file'],
  ])('%s of %j is not there', async (path, over, says) => {
    const { status, text } = await siteOf({ trees: treesOf(over) } as never).get(path);
    expect([status, text.includes('HTTP_NOT_FOUND'), text.includes(says)]).toEqual([404, true, true]);
  });

  it('is told apart from one whose bytes are not here', async () => {
    const trees = treesOf({ isHere: () => false });
    const { status, text } = await siteOf({ trees } as never).get(`/trees/${A}/file?path=x`);
    expect([status, text]).toEqual([404, expect.stringContaining('STORE_BLOCK_MISSING')]);
  });

  it('is sent to one client so many times at once, and gives the slot of a file that there is not back', async () => {
    withLimits(httpLimits, { treesPerAddressMax: 1 });
    withLimits(pageLimits, { sbomsPerAddressMax: 1 });
    const file = { kind: 'file', cid: A, size: 0 };
    const entry = async (_: string, path: string) => (path === 'x' ? file : undefined);
    const stuck = Promise.withResolvers<string>();
    const trees = treesOf({ entry, sboms: { get: begun } });
    async function begun(_: string, __: string, begins: (bytes: number) => void) {
      begins(1);
      return stuck.promise;
    }
    const { get } = siteOf({ trees } as never);
    const { env, end } = envOf();
    const statuses = async (...paths: string[]) => {
      const got: number[] = [];
      for (const path of paths) got.push((await get(`/trees/${A}${path}`, {}, env)).status);
      end();
      return got;
    };
    expect(await statuses('/file?path=none', '/file?path=x')).toEqual([404, 503]);
    expect(await statuses('/file?path=x', '.tar')).toEqual([200, 503]);
    expect(await statuses('.tar', '/file?path=x')).toEqual([200, 503]);
    const account = { pay() {}, sent: () => 0, isWaiting: false };
    const list = () => get(`/trees/${A}.cdx.json`, {}, { client: 'a', account });
    const first = list();
    expect((await list()).status).toBe(503);
    stuck.resolve('{}');
    expect((await first).status).toBe(200);
    expect((await list()).status).toBe(200);
  });

  it('has a list that is paid for once, and asked for again where it is not here yet', async () => {
    let n = 0;
    const answers = [
      async () => undefined,
      async () => Promise.reject(new Error('gone')),
      async () => ({ files: [], more: false }),
    ];
    const trees = treesOf({ list: () => answers[n++]?.() }) as never;
    const paid: number[] = [];
    const account = { pay: (price: number) => void paid.push(price), sent: () => 0 };
    const shown = async () => String((await filesOf(trees, 'tree', account)) ?? 'none');
    expect([await shown(), await shown()]).toEqual(['none', 'none']);
    expect(await shown()).toContain('<table>');
    expect(await shown()).toContain('<table>');
    expect([n, paid]).toEqual([3, [4, 4, 4]]);
    for (const over of [{ isShown: () => false }, { isHere: () => false }])
      expect(await filesOf(treesOf(over) as never, 'tree', account as never)).toBeUndefined();
    expect(paid).toHaveLength(3);
  });

  it('has a list of what it was made from, which costs a slot and its bytes', async () => {
    const paid: unknown[] = [];
    const account = {
      pay: (price: number) => void (price > 1 && paid.push(price)),
      sent: (...of: unknown[]) => void paid.push(of),
      isWaiting: false,
    };
    const get = async (_: string, __: string, begins: (bytes: number) => void) => {
      begins(1000);
      return '{}';
    };
    const { get: ask } = siteOf({ trees: treesOf({ sboms: { get } }) } as never);
    for (let twice = 0; twice < 2; twice++) {
      const { status, text } = await ask(`/trees/${A}.cdx.json`, {}, { account, client: 'a' });
      expect([status, text]).toEqual([200, '{}']);
    }
    expect(paid.slice(0, 2)).toEqual([50, [1000, 30]]);
  });
});
