import { describe, expect, it } from 'vitest';
import { Scheduler } from '../../../simulations/scheduler.ts';
import { reportedError } from '../../../src/protocol/base/errors.ts';
import { toUtf8 } from '../../../src/protocol/base/text.ts';
import { sha256Hex } from '../../../src/protocol/documents/index.ts';
import { HttpFeed, httpFeedTimings } from '../../../src/worker/sessions/http-feed.ts';
import { settle } from '../../protocol/sessions/start-desk.ts';

type Answer = { text: unknown; etag?: string } | 'unchanged' | undefined;

const sha256 = (text: string) => sha256Hex(toUtf8(text));
const jws = (name: string) => `e30.${Buffer.from(name).toString('base64url')}.${'a'.repeat(86)}`;
const notice = (name: string) => ({
  offer: jws(name),
  request: jws('request'),
  publisher: jws('grant'),
  job: '{}',
});

/** A worker's feed by HTTP, and what the controller answers at each path; `undefined`: it cannot be reached. */
function asking(urls: string[] | undefined = ['https://one', 'https://two/'], timings = httpFeedTimings) {
  const time = new Scheduler(settle);
  const began = time.now;
  const state = { closing: false };
  const asked: { at: number; url: string; etag: string | undefined }[] = [];
  const taken: string[] = [];
  const told: string[] = [];
  const answers = new Map<string, Answer>([
    ['/charter', { text: { charter: jws('charter') } }],
    ['/revocations', { text: { charters: [], revocations: [] } }],
    ['/offers', { text: [] }],
    ['/verdicts', { text: [] }],
    ['/checkpoint', { text: { note: 'the log of 8' } }],
  ]);
  const http = new HttpFeed(
    {
      clock: {
        now: () => time.now,
        monotonic: () => time.now,
        onClosing: () => () => {},
        after: (ms: number, act: () => void) => time.after(ms, act),
        get closing() {
          return state.closing;
        },
      },
      credentials: {
        membership: { project: 'p', ...(urls.length > 0 && { feed: urls }) },
        learnCharter: async (raw: string) => void taken.push(`charter ${raw}`),
      },
      signing: { nonce: () => ' ' },
      httpGet: async (url: string, { etag }: { etag: string | undefined }) => {
        asked.push({ at: time.now - began, url, etag });
        const answer = answers.get(url.replace(/^https:\/\/(one|two)\/v1\/p/, ''));
        if (answer === undefined) throw reportedError('HTTP_UNREACHABLE', `nothing at ${url}`);
        return answer === 'unchanged' ? answer : { ...answer, text: JSON.stringify(answer.text) };
      },
      tell: (level: string, kind: string) => void told.push(`${level} ${kind}`),
    } as never,
    timings,
    {
      offer: async ({ offer }) => void taken.push(`offer ${offer}`),
      verdict: ({ level }) => void taken.push(`verdict ${level}`),
      revocations: async (list) => void taken.push(`revocations ${(list as { next?: string }).next}`),
      checkpoint: (note) => void taken.push(`checkpoint ${note}`),
    },
  );
  void http.run();
  const urlsAsked = () => asked.map(({ url }) => url.replace('/v1/p', ''));
  return { http, state, asked, taken, told, answers, urlsAsked, until: (ms: number) => time.run(began + ms) };
}

/** When each look began. */
const looks = ({ asked }: ReturnType<typeof asking>) =>
  asked.filter(({ url }) => url.endsWith('/charter')).map(({ at }) => at);

describe('a feed by HTTP', () => {
  it('is asked once there was silence for 45 s, and then every 15 s', async () => {
    const feed = asking();
    await feed.until(44_999);
    expect(feed.asked).toEqual([]);
    await feed.until(45_000);
    expect(feed.urlsAsked()).toEqual(
      ['/charter', '/revocations', '/offers', '/verdicts', '/checkpoint'].map((path) => `https://one${path}`),
    );
    expect(feed.taken).toEqual([
      `charter ${jws('charter')}`,
      'revocations undefined',
      'checkpoint the log of 8',
    ]);
    await feed.until(75_000);
    expect(looks(feed)).toEqual([45_000, 60_000, 75_000]);
    // Told once.
    expect(feed.told).toEqual(['info http-feed']);
  });

  it('is left alone from the next word by gossip on, and what follows is told anew', async () => {
    const feed = asking();
    await feed.until(50_000);
    feed.http.heard();
    await feed.until(94_999);
    expect(looks(feed)).toEqual([45_000]);
    await feed.until(95_000);
    expect(looks(feed)).toEqual([45_000, 95_000]);
    expect(feed.told).toEqual(['info http-feed', 'info http-feed']);
  });

  it('that no controller has is not asked', async () => {
    const feed = asking([]);
    await feed.until(200_000);
    expect([feed.asked, feed.told]).toEqual([[], []]);
  });

  it('that fails is asked later each time, up to 5 minutes, at the next address, with one word about it', async () => {
    const feed = asking();
    const charter = feed.answers.get('/charter');
    feed.answers.delete('/charter');
    await feed.until(45_000 + 30_000 + 60_000 + 120_000 + 240_000 + 300_000 + 300_000);
    const waits = looks(feed).map((at, n) => at - (looks(feed)[n - 1] ?? 0));
    expect(waits).toEqual([45_000, 30_000, 60_000, 120_000, 240_000, 300_000, 300_000]);
    expect(feed.urlsAsked().slice(0, 3)).toEqual(
      ['https://one', 'https://two', 'https://one'].map((one) => `${one}/charter`),
    );
    expect(feed.told).toEqual(['info http-feed', 'warn http-feed']);
    // One that answers keeps its turn, and is asked as often as ever.
    feed.answers.set('/charter', charter);
    await feed.until(45_000 + 30_000 + 60_000 + 120_000 + 240_000 + 900_000 + 15_000);
    const [last, before] = looks(feed).toReversed();
    expect((last ?? 0) - (before ?? 0)).toBe(15_000);
    expect(
      new Set(
        feed
          .urlsAsked()
          .slice(-10)
          .map((url) => url.slice(0, 11)),
      ),
    ).toEqual(new Set(['https://two']));
  });

  it('is asked at once where there is room for work, unless it failed', async () => {
    const feed = asking();
    await feed.until(50_000);
    feed.http.hurry();
    await feed.until(50_001);
    expect(looks(feed)).toEqual([45_000, 50_000]);
    feed.answers.delete('/charter');
    await feed.until(65_000);
    feed.http.hurry();
    await feed.until(65_001);
    expect(looks(feed)).toEqual([45_000, 50_000, 65_000]);
  });

  it('ends with the worker, without a word', async () => {
    const feed = asking();
    await feed.until(50_000);
    feed.state.closing = true;
    feed.answers.delete('/charter');
    await feed.until(500_000);
    expect(looks(feed)).toEqual([45_000]);
    const failing = asking();
    failing.answers.set('/charter', undefined);
    await failing.until(44_999);
    const { asked } = failing;
    Object.defineProperty(asked, 'push', {
      value: (...more: typeof asked) => {
        failing.state.closing = true;
        return Array.prototype.push.apply(asked, more);
      },
    });
    await failing.until(500_000);
    expect(failing.told).toEqual(['info http-feed']);
    expect(looks(failing)).toEqual([45_000]);
  });
});

describe('an answer of a feed by HTTP', () => {
  it('is asked for with the mark of its last answer, and is none where it is unchanged', async () => {
    const feed = asking();
    const first = new Map(feed.answers);
    for (const [path, answer] of first)
      if (typeof answer === 'object') feed.answers.set(path, { ...answer, etag: `"${path}"` });
    await feed.until(45_000);
    const once = feed.taken.length;
    for (const path of first.keys()) feed.answers.set(path, 'unchanged');
    await feed.until(60_000);
    expect(feed.asked.slice(5).map(({ etag }) => etag)).toEqual([...first.keys()].map((path) => `"${path}"`));
    expect(feed.taken).toHaveLength(once);
    // An answer without a mark is not asked for with the one of before.
    for (const [path, answer] of first) feed.answers.set(path, answer);
    await feed.until(90_000);
    expect(feed.asked.slice(15).map(({ etag }) => etag)).toEqual(Array(5).fill(undefined));
  });

  it('is read page by page: offers after the last one, revocations as each page says', async () => {
    const feed = asking();
    const { answers, taken, urlsAsked } = feed;
    const idOf = (name: string) => `/offers?after=${sha256(name)}`;
    const next = 'a'.repeat(64);
    answers.set('/revocations', { text: { charters: [], revocations: [], next }, etag: '"r"' });
    answers.set(`/revocations?after=${next}`, { text: { charters: [], revocations: [] }, etag: '"s"' });
    answers.set('/offers', { text: [notice('one'), notice('two')], etag: '"1"' });
    answers.set(idOf('two'), { text: [notice('three')], etag: '"2"' });
    answers.set(idOf('three'), { text: [], etag: '"3"' });
    await feed.until(45_000);
    expect(taken.filter((one) => one.startsWith('offer'))).toEqual(
      ['one', 'two', 'three'].map((name) => `offer ${jws(name)}`),
    );
    expect(taken.filter((one) => one.startsWith('rev'))).toEqual([
      `revocations ${next}`,
      'revocations undefined',
    ]);
    // Unchanged pages lead to the same ones, and offers that were passed on are considered again.
    for (const path of ['/revocations', `/revocations?after=${next}`, '/offers', idOf('two'), idOf('three')])
      answers.set(path, 'unchanged');
    const before = urlsAsked().length;
    taken.length = 0;
    await feed.until(60_000);
    expect(urlsAsked().slice(before)).toEqual(urlsAsked().slice(0, before));
    expect(taken.filter((one) => one.startsWith('offer'))).toHaveLength(3);
    expect(taken.filter((one) => one.startsWith('rev'))).toEqual([]);
    // The mark of a page that was not asked for any more is forgotten: it would be unchanged, and nothing known of it.
    answers.set('/offers', { text: [], etag: '"4"' });
    answers.set('/revocations', { text: { charters: [], revocations: [] }, etag: '"t"' });
    await feed.until(75_000);
    answers.set('/offers', { text: [notice('two')] });
    answers.set('/revocations', { text: { charters: [], revocations: [], next } });
    const after = feed.asked.length;
    await feed.until(90_000);
    const marks = new Map(
      feed.asked.slice(after).map(({ url, etag }) => [url.replace('https://one/v1/p', ''), etag]),
    );
    expect(marks.get('/offers')).toBe('"4"');
    expect([marks.has(idOf('two')), marks.get(idOf('two'))]).toEqual([true, undefined]);
    expect([marks.has(`/revocations?after=${next}`), marks.get(`/revocations?after=${next}`)]).toEqual([
      true,
      undefined,
    ]);
  });

  it('is followed no further than there can be pages, and never twice', async () => {
    const feed = asking();
    const page = (n: number) => n.toString(16).padStart(64, '0');
    for (let n = 0; n < 100; n++) {
      const text = { charters: [], revocations: [], next: page(n + 1) };
      feed.answers.set(n === 0 ? '/revocations' : `/revocations?after=${page(n)}`, { text });
    }
    feed.answers.set('/offers', { text: [notice('one')] });
    feed.answers.set(`/offers?after=${sha256('one')}`, { text: [notice('one')] });
    await feed.until(45_000);
    const count = (path: string) => feed.urlsAsked().filter((url) => url.includes(path)).length;
    expect([count('/revocations'), count('/offers')]).toEqual([80, 2]);
    for (let n = 0; n < 50; n++)
      feed.answers.set(n === 0 ? '/offers' : `/offers?after=${sha256(`${n - 1}`)}`, {
        text: [notice(`${n}`)],
      });
    await feed.until(60_000);
    expect(count('/offers') - 2).toBe(12);
  });
});
