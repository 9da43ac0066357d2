import { createHmac, randomUUID } from 'node:crypto';
import { describe, expect, it, onTestFinished } from 'vitest';
import { checkWebhook } from '../../../src/forge/index.ts';
import { badgeOfBranch } from '../../../src/http/kit/badge.ts';
import { listenHttp } from '../../../src/http/listen.ts';
import { badgeOf, viewOf } from '../../../src/watcher/machine/view.ts';
import { watchApp, webhookBytesMax } from '../../../src/watcher/page/index.ts';
import { signedInPublisher, startSignIn } from '../../support/sign-in.ts';
import { WebClient } from '../../support/web-client.ts';
import { Bench, commit, settingsOf } from '../watch-support.ts';

const origin = 'http://127.0.0.1:4997';
const main = 'refs/heads/main';

/** The page of a watcher, a browser that is signed in with a publisher's key, and one that is not. */
async function approvals() {
  const bench = new Bench(settingsOf({ pulls: { authors: [], paths: [] } })).refs({ [main]: 1 }, true);
  const now = Date.now();
  const people = await startSignIn(`origin = "${origin}"`, { now: () => now });
  onTestFinished(() => people.close());
  const app = watchApp({
    version: '1',
    label: 'quorate',
    badge: (ref) => badgeOf(bench.machine.state, ref),
    approvals: {
      people,
      pulls: () => viewOf(bench.machine.state).pulls,
      decide: (pull, of, verdict, by) => void bench.say({ kind: 'decided', pull, commit: of, verdict, by }),
    },
  });
  const ada = await signedInPublisher(app, origin, now);
  const stranger = new WebClient({ [origin]: app });
  return { bench, ada, stranger };
}

const csrfIn = (text: string): string => /name="csrf" value="([^"]+)"/.exec(text)?.[1] ?? '';

describe('the page of approvals', () => {
  it('shows a publisher what waits, and has the commit built that it has shown', async () => {
    const { bench, ada } = await approvals();
    bench.pull({ pull: 7, commit: commit(2), title: '<script>alert(1)</script>\u202e', author: '"><b>m' });
    const { text } = await ada.ask(`${origin}/approvals`);
    expect(text).toContain(commit(2));
    expect(text).not.toMatch(/<script>alert|<b>m|\u202e/);
    const form = { csrf: csrfIn(text), id: `7@${commit(2)}`, verdict: 'approved' };
    expect((await ada.ask(`${origin}/approvals`, { form, from: origin })).status).toBe(303);
    expect(bench.orders()).toMatchObject([{ commit: commit(2), floor: true }]);
    expect((await ada.ask(`${origin}/approvals`)).text).toContain('approved by ada');
  });

  it('of a commit that was replaced since does nothing', async () => {
    const { bench, ada } = await approvals();
    bench.pull({ pull: 7, commit: commit(2) });
    const { text } = await ada.ask(`${origin}/approvals`);
    bench.pull({ pull: 7, commit: commit(3) });
    const form = { csrf: csrfIn(text), id: `7@${commit(2)}`, verdict: 'approved' };
    await ada.ask(`${origin}/approvals`, { form, from: origin });
    expect(bench.orders()).toEqual([]);
  });

  it('is for nobody who is not signed in, and no other page can have it act', async () => {
    const { bench, ada, stranger } = await approvals();
    bench.pull({ pull: 7, commit: commit(2) });
    const form = { csrf: '', id: `7@${commit(2)}`, verdict: 'approved' };
    expect((await stranger.ask(`${origin}/approvals`)).text).not.toContain(commit(2));
    expect((await stranger.ask(`${origin}/approvals`, { form, from: origin })).status).toBe(401);
    const { text } = await ada.ask(`${origin}/approvals`);
    expect((await ada.ask(`${origin}/approvals`, { form, from: origin })).status).toBe(403);
    const stolen = { ...form, csrf: csrfIn(text) };
    // Browsers do not send the cookie with it.
    expect(
      (await ada.ask(`${origin}/approvals`, { form: stolen, from: 'https://evil.example' })).status,
    ).toBe(401);
    expect(bench.orders()).toEqual([]);
  });
});

describe('a badge', () => {
  const green = '#1a7f37';
  const stand = (
    state: string,
    level: 'agreed' | 'trusted' | 'failed' | 'disputed' | null,
    revoked = false,
  ) => ({ run: 'a', state, level, ...(revoked && { revoked: true as const }) });

  it.each([
    ['pending', stand('building', null)],
    ['agreed', stand('agreed', 'agreed')],
    ['failed', stand('done', 'failed')],
    ['disputed', stand('done', 'disputed')],
    ['cancelled', stand('cancelled', null)],
    ['revoked', stand('done', 'trusted', true)],
    ['pending', stand('done', 'trusted')],
    ['trusted', stand('done', 'trusted'), true],
  ])('says %s, and is green for verified evidence only', async (level, said, verified = false) => {
    const bench = new Bench().refs({ [main]: 1 }, true).push(main, 2);
    bench.published(bench.orders()[0] as never, 'a').say({ kind: 'stands', stands: [said] });
    if (verified) bench.proven('a');
    const app = watchApp({
      version: '1',
      label: 'quorate',
      badge: (ref) => badgeOf(bench.machine.state, ref),
    });
    const answer = await app.request('/badge.svg?ref=main');
    expect(answer.headers.get('content-type')).toBe('image/svg+xml; charset=utf-8');
    const svg = await answer.text();
    expect(svg).toContain(`<title>quorate: ${level} ${commit(2).slice(0, 8)}</title>`);
    expect(svg.includes(green)).toBe(level === 'trusted');
  });

  it('of a pull request, another ref or nonsense says that it is unknown', async () => {
    const bench = new Bench(settingsOf({ pulls: { authors: ['m'], paths: [] } })).refs({ [main]: 1 }, true);
    bench.pull({ pull: 7, commit: commit(2), author: 'm' });
    const app = watchApp({
      version: '1',
      label: 'quorate',
      badge: (ref) => badgeOf(bench.machine.state, ref),
    });
    for (const ref of ['refs/pull/7/head', 'other', '../x', '<svg>', '']) {
      const svg = await (await app.request(`/badge.svg?ref=${encodeURIComponent(ref)}`)).text();
      expect(svg).toContain('<title>quorate: unknown</title>');
      expect(svg.includes(green)).toBe(false);
    }
    expect(await (await app.request('/badge.svg?ref=main')).text()).toContain('none');
  });
});

describe('the badge of a controller', () => {
  const run = { level: 'trusted', state: 'done' };
  const branchOf = (...jobs: object[]) => ({
    ref: main,
    commit: commit(2),
    submittedAt: 0,
    jobs: jobs as never,
  });

  it.each([
    ['trusted', [run, run]],
    ['agreed', [run, { level: 'agreed', state: 'agreed' }]],
    ['pending', [run, { level: null, state: 'building' }]],
    ['failed', [run, { level: 'failed', state: 'done' }]],
    ['revoked', [run, { ...run, revoked: { what: 'key', id: 'k', since: 1, reason: 'x' } }]],
    ['pending', []],
  ])('is %s, the lowest of its jobs', (level, jobs) => {
    expect(badgeOfBranch(branchOf(...jobs))).toEqual({ level, commit: commit(2) });
  });
});

describe('webhooks', () => {
  const secret = 'a secret';

  async function listening() {
    const bench = new Bench().refs({ [main]: 1 }, true);
    const app = watchApp({
      version: '1',
      label: 'quorate',
      badge: () => undefined,
      webhook: {
        take: (parts) => {
          const hook = checkWebhook({ ...parts, kind: 'github', secret, now: Date.now() });
          bench.say({ kind: 'webhook', ...hook });
        },
      },
    });
    const limits = { bodyBytesMax: webhookBytesMax, requestsBurst: 20, requestsPerSecond: 1 };
    const server = await listenHttp({ host: '127.0.0.1', port: 0, app, limits });
    onTestFinished(() => server.close());
    const send = (body: string, given = secret) =>
      fetch(`http://127.0.0.1:${server.port}/webhook`, {
        method: 'POST',
        headers: {
          'x-github-delivery': randomUUID(),
          'x-hub-signature-256': `sha256=${createHmac('sha256', given).update(body).digest('hex')}`,
        },
        body,
      });
    return { bench, send };
  }

  it('of the forge make it look, forged, too large and too many ones do not', async () => {
    const { bench, send } = await listening();
    expect((await send('{}')).status).toBe(202);
    expect(bench.take('poll')).toHaveLength(1);
    expect((await send('{}', 'guessed')).status).toBe(403);
    expect((await send('x'.repeat(webhookBytesMax + 1))).status).toBe(413);
    const many = await Promise.all(Array.from({ length: 40 }, () => send('{}', 'guessed')));
    expect(many.some(({ status }) => status === 429)).toBe(true);
    expect(bench.take('poll')).toEqual([]);
  });
});
