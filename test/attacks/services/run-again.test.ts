import { Hono } from 'hono';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { HttpEnv } from '../../../src/http/env.ts';
import { wholeApp } from '../../../src/http/listen.ts';
import { refusalOfAgain } from '../../../src/watcher/machine/again.ts';
import { viewOf } from '../../../src/watcher/machine/view.ts';
import { watchApp } from '../../../src/watcher/page/index.ts';
import { pipelinesApp } from '../../../src/watcher/page/pipelines.ts';
import { testKey } from '../../support/documents.ts';
import { signedInPublisher, startSignIn } from '../../support/sign-in.ts';
import { WebClient } from '../../support/web-client.ts';
import { Bench, commit, rule, settingsOf } from '../../watcher/watch-support.ts';

const origin = 'http://127.0.0.1:4991';
const main = 'refs/heads/main';
const csrfIn = (text: string): string => /name="csrf" value="([^"]+)"/.exec(text)?.[1] ?? '';
const failed = (...runs: string[]) => ({
  kind: 'stands' as const,
  stands: runs.map((run) => ({ run, state: 'done' as const, level: 'failed' as const })),
});

/** The page of a watcher whose last pipeline of `main` has failed, and people who sign in. */
async function watched(settings = settingsOf({ pulls: { authors: [], paths: [] } })) {
  const bench = new Bench(settings).refs({ [main]: 1 }, true).push(main, 2);
  const [first] = bench.orders();
  if (first === undefined) throw new Error('a push is ordered');
  bench.published(first, 'a').say(failed('a'));
  bench.now += 1_000;
  const now = Date.now();
  const people = await startSignIn(`origin = "${origin}"`, { now: () => now });
  onTestFinished(() => people.close());
  const ports = {
    people,
    publications: () => viewOf(bench.machine.state).publications,
    mayAgain: (id: string) => refusalOfAgain(bench.machine.state, id) === undefined,
    // As `Watcher.again`.
    again(id: string, rebuild: boolean, by: string) {
      const refusal = refusalOfAgain(bench.machine.state, id);
      if (refusal !== undefined) throw refusal;
      bench.say({ kind: 'again', id, rebuild, by });
    },
  };
  const approvals = { people, pulls: () => [], decide: () => {} };
  const app = wholeApp(
    watchApp({ version: '1', label: 'quorate', badge: () => undefined, pipelines: ports, approvals }),
  );
  const ada = await signedInPublisher(app, origin, now);
  const page = `${origin}/pipelines`;
  const post = async (which: string, id = first.id, who = ada) => {
    const form = {
      csrf: csrfIn((await who.ask(page)).text) || csrfIn((await who.ask(`${origin}/sign-out`)).text),
      id,
      which,
    };
    return who.ask(page, { form, from: origin });
  };
  return {
    bench,
    first,
    app,
    ada,
    page,
    post,
    ports,
    signIn: (who: Parameters<typeof signedInPublisher>[3]) => signedInPublisher(app, origin, now, who),
  };
}

describe('a pipeline is published again', () => {
  it.each([
    ['all', true],
    ['failed', false],
  ])(
    '%s of its jobs, at the commit that its branch is at, under the rules of now',
    async (which, rebuild) => {
      const { bench, ada, page, post } = await watched();
      expect((await ada.ask(page)).text).toMatch(/Run again.*Run failed jobs again/s);
      expect((await post(which)).status).toBe(303);
      expect(bench.orders()).toMatchObject([
        { ref: main, commit: commit(2), rebuild, floor: false, job: null },
      ]);
      // After a crash it is the same.
      bench.restart();
      expect((await ada.ask(page)).text).not.toContain('Run again');
    },
  );

  it('once: the same form again is refused while it goes on, and when it is over', async () => {
    const { bench, post } = await watched();
    await post('all');
    const [second] = bench.orders();
    const again = await post('all');
    expect([again.status, again.text]).toEqual([409, expect.stringContaining('WATCH_PIPELINE_OPEN')]);
    bench.published(second as never, 'b').say(failed('b'));
    const late = await post('all');
    expect([late.status, late.text]).toEqual([409, expect.stringContaining('WATCH_PIPELINE_CHANGED')]);
    expect(bench.orders()).toEqual([]);
    expect((await post('all', second?.id)).status).toBe(303);
  });

  it('by nobody who is not signed in, nor by a reader', async () => {
    const { bench, app, ada, page, first, post, signIn } = await watched();
    const stranger = new WebClient({ [origin]: app });
    expect((await stranger.ask(page)).text).not.toContain(commit(2));
    const taken = { csrf: csrfIn((await ada.ask(page)).text), id: first.id, which: 'all' };
    expect((await stranger.ask(page, { form: taken, from: origin })).status).toBe(401);
    const reader = await signIn({ key: testKey('rita'), operator: 'rita', role: 'reader' });
    const answer = await post('all', first.id, reader);
    expect([answer.status, answer.text]).toEqual([403, expect.stringContaining('SIGN_IN_ROLE')]);
    expect(bench.orders()).toEqual([]);
  });

  it('by no page of another site, and with no token but that of the session', async () => {
    const { bench, ada, page, first, signIn, ports } = await watched();
    const eve = await signIn({ key: testKey('eve'), operator: 'eve' });
    const own = csrfIn((await ada.ask(page)).text);
    const hers = csrfIn((await eve.ask(page)).text);
    // A browser that sends the cookie along.
    for (const [name, cookie] of ada.cookies(origin))
      ada.cookies(origin).set(name, { ...cookie, isStrict: false });
    for (const [csrf, from] of [
      [own, 'https://evil.example'],
      ['', origin],
      [hers, origin],
    ] as const) {
      const answer = await ada.ask(page, { form: { csrf, id: first.id, which: 'all' }, from });
      expect([answer.status, answer.text]).toEqual([403, expect.stringContaining('SIGN_IN_CSRF')]);
    }
    expect(bench.orders()).toEqual([]);
    // The control: the same without the guard.
    const people = {
      session: () => undefined,
      requireRole: () => (_: unknown, next: () => Promise<void>) => next(),
    };
    const app = new Hono<HttpEnv>().route('/', pipelinesApp({ ...ports, people: people as never }));
    const body = new URLSearchParams({ id: first.id, which: 'all' });
    expect((await app.request('/pipelines', { method: 'POST', body })).status).toBe(303);
    expect(bench.orders()).toHaveLength(1);
  });

  it('of no commit that the rules would not publish now', async () => {
    const moved = await watched();
    moved.bench.push(main, 3);
    const [third] = moved.bench.orders();
    moved.bench.published(third as never, 'c').say(failed('c'));
    const gone = await watched();
    gone.bench.refs({ [main]: null });
    const unwatched = await watched();
    unwatched.bench.say({
      kind: 'configured',
      settings: settingsOf({ rules: [rule({ branches: ['release'] })] }),
    });
    for (const { post, bench } of [moved, gone, unwatched]) {
      const answer = await post('all');
      expect([answer.status, answer.text]).toEqual([409, expect.stringContaining('WATCH_PIPELINE_CHANGED')]);
      expect(bench.orders()).toEqual([]);
    }
  });

  it('of no pull request whose commit is not approved any more', async () => {
    const { bench, post } = await watched();
    bench.pull({ pull: 7, commit: commit(5), ref: 'refs/pull/7/head' });
    bench.say({ kind: 'decided', pull: 7, commit: commit(5), verdict: 'approved', by: 'ada' });
    const [order] = bench.orders();
    bench.published(order as never, 'p').say(failed('p'));
    bench.now += 1_000;
    expect((await post('failed', order?.id)).status).toBe(303);
    const [second] = bench.orders();
    expect(second).toMatchObject({ ref: 'refs/pull/7/head', commit: commit(5), floor: true });
    bench.published(second as never, 'q').say(failed('q'));
    bench.say({ kind: 'decided', pull: 7, commit: commit(5), verdict: 'denied', by: 'ada' });
    expect((await post('failed', second?.id)).status).toBe(409);
    expect(bench.orders()).toEqual([]);
  });

  it.each([
    ['another branch', (id: string) => id.replace('main', 'other'), 'all'],
    ['another commit', (id: string) => id.replace(commit(2), commit(9)), 'all'],
    ['too long an id', () => 'x'.repeat(10_000), 'all'],
    ['no id', () => '', 'all'],
    ['another verb', (id: string) => id, 'floor'],
  ])('by no forged form: %s', async (_, forge, which) => {
    const { bench, first, post } = await watched();
    expect((await post(which, forge(first.id))).status).toBe(404);
    expect(bench.orders()).toEqual([]);
  });
});
