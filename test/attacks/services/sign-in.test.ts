import { Hono } from 'hono';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { HttpEnv } from '../../../src/http/env.ts';
import { returnPath } from '../../../src/http/sign-in/browser-routes.ts';
import type { Authority } from '../../../src/http/sign-in/sessions.ts';
import { startSignIn } from '../../support/sign-in.ts';
import { WebClient } from '../../support/web-client.ts';

const origin = 'http://127.0.0.1:4995';
const evil = 'https://evil.example';

/** A service whose provider says at once who it is: the name in the code. */
async function service() {
  let begun = 0;
  const authority: Authority = {
    host: 'login.example',
    begin: async () => {
      const state = `state${begun++}`;
      return {
        url: new URL(`https://login.example/auth?state=${state}`),
        checks: { state, nonce: 'n', verifier: 'v' },
      };
    },
    finish: async (callback) => {
      const name = callback.searchParams.get('code') ?? '';
      return { person: name, name, role: () => 'publisher' };
    },
  };
  const signed = await startSignIn(`origin = "${origin}"`, { authority });
  onTestFinished(() => signed.close());
  const approved: string[] = [];
  const app = new Hono<HttpEnv>();
  app.route('/', signed.app);
  app.get('/', (c) => c.text(signed.session(c)?.name ?? 'nobody'));
  app.post('/approve', signed.requireRole('publisher'), (c) => {
    approved.push(signed.session(c)?.name ?? '');
    return c.text('approved');
  });
  // The control: the same without its guard.
  app.post('/unguarded', (c) => {
    if (signed.session(c) === undefined) return c.text('nobody', 401);
    approved.push('unguarded');
    return c.text('approved');
  });
  return { app, signed, approved };
}

async function signedIn(app: Hono<HttpEnv>, name: string) {
  const browser = new WebClient({ [origin]: app });
  const start = await browser.ask(`${origin}/sign-in/start`);
  const state = new URL(start.headers.get('location') ?? '').searchParams.get('state');
  const callback = `${origin}/sign-in/callback?code=${name}&state=${state}`;
  await browser.ask(callback);
  const accept = { accept: 'application/json' };
  const { text } = await browser.ask(`${origin}/sign-in/session`, { headers: accept });
  return { browser, callback, csrf: (JSON.parse(text) as { csrf: string }).csrf };
}

describe('a page of another site', () => {
  it('has a person who is signed in send a form: no cookie goes with it', async () => {
    const { app, approved } = await service();
    const { browser, csrf } = await signedIn(app, 'ada');
    await browser.ask(`${origin}/approve`, { form: { csrf }, from: evil });
    expect(approved).toEqual([]);
    expect((await browser.ask(`${origin}/approve`, { form: { csrf }, from: origin })).text).toBe('approved');
  });

  it('has a browser that ignores SameSite send a form: its origin and the token refuse it', async () => {
    const { app, approved } = await service();
    const { browser, csrf } = await signedIn(app, 'ada');
    for (const [name, cookie] of browser.cookies(origin))
      browser.cookies(origin).set(name, { ...cookie, isStrict: false });
    const other = await signedIn(app, 'mallory');
    const forms: [object, Record<string, string>, string][] = [
      [{}, { csrf }, evil],
      [{}, {}, origin],
      [{}, { csrf: other.csrf }, origin],
      [{ 'sec-fetch-site': 'same-site' }, { csrf }, origin],
      [{ 'sec-fetch-site': 'none' }, { csrf }, origin],
      [{ origin: 'null', 'sec-fetch-site': 'cross-site' }, { csrf }, evil],
    ];
    for (const [headers, form, from] of forms) {
      const answer = await browser.ask(`${origin}/approve`, { form, from, headers: { ...headers } });
      expect([answer.status, answer.text]).toEqual([403, expect.stringContaining('SIGN_IN_CSRF')]);
    }
    expect(approved).toEqual([]);
    // The control.
    await browser.ask(`${origin}/unguarded`, { form: {}, from: evil });
    expect(approved).toEqual(['unguarded']);
  });

  it('makes a browser sign in as somebody else: with an answer that was begun elsewhere', async () => {
    const { app } = await service();
    const mallory = new WebClient({ [origin]: app });
    const begun = await mallory.ask(`${origin}/sign-in/start`);
    const state = new URL(begun.headers.get('location') ?? '').searchParams.get('state');
    const victim = new WebClient({ [origin]: app });
    const answer = await victim.ask(`${origin}/sign-in/callback?code=mallory&state=${state}`, { from: evil });
    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining('SIGN_IN_STATE')]);
    expect((await victim.ask(`${origin}/`)).text).toBe('nobody');
    // The control: in the browser that began it the same address signs in.
    await mallory.ask(`${origin}/sign-in/callback?code=mallory&state=${state}`, { from: evil });
    expect((await mallory.ask(`${origin}/`)).text).toBe('mallory');
  });

  it('signs a person out', async () => {
    const { app } = await service();
    const { browser } = await signedIn(app, 'ada');
    await browser.ask(`${origin}/sign-out`, { form: {}, from: evil });
    expect((await browser.ask(`${origin}/`)).text).toBe('ada');
  });
});

describe('somebody who prepared a browser', () => {
  it('set a session cookie before the person signs in: it is not that of the person afterwards', async () => {
    const { app } = await service();
    const mallory = await signedIn(app, 'mallory');
    const name = 'quorate-session-4995';
    const planted = mallory.browser.cookies(origin).get(name)?.value ?? '';
    const victim = new WebClient({ [origin]: app });
    victim.cookies(origin).set(name, { value: planted, isStrict: true });
    const begun = await victim.ask(`${origin}/sign-in/start`);
    const state = new URL(begun.headers.get('location') ?? '').searchParams.get('state');
    await victim.ask(`${origin}/sign-in/callback?code=ada&state=${state}`);
    expect((await victim.ask(`${origin}/`)).text).toBe('ada');
    expect((await mallory.browser.ask(`${origin}/`)).text).toBe('nobody');
  });

  it('uses an answer, or a transaction, for the second time', async () => {
    const { app } = await service();
    const browser = new WebClient({ [origin]: app });
    const begun = await browser.ask(`${origin}/sign-in/start`);
    const state = new URL(begun.headers.get('location') ?? '').searchParams.get('state');
    const kept = new Map(browser.cookies(origin));
    const callback = `${origin}/sign-in/callback?code=ada&state=${state}`;
    expect((await browser.ask(callback)).status).toBe(200);
    const again = new WebClient({ [origin]: app });
    for (const [name, cookie] of kept) again.cookies(origin).set(name, cookie);
    expect((await again.ask(callback)).text).toContain('SIGN_IN_STATE');
  });

  it.each([
    ['cut', (sealed: string) => sealed.slice(0, -4)],
    // Of the last character some bits are no part of a byte.
    ['with another byte', (sealed: string) => sealed.replace(/.(?=.$)/, (one) => (one === 'A' ? 'B' : 'A'))],
    [
      'made up',
      () => 'eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA',
    ],
    ['with alg none', () => 'eyJhbGciOiJub25lIn0.eyJiYWNrIjoiLyJ9.'],
  ])('changed the state of a transaction: %s', async (_, change) => {
    const { app } = await service();
    const browser = new WebClient({ [origin]: app });
    const begun = await browser.ask(`${origin}/sign-in/start`);
    const state = new URL(begun.headers.get('location') ?? '').searchParams.get('state');
    for (const [name, { value }] of browser.cookies(origin))
      browser.cookies(origin).set(name, { value: change(value), isStrict: false });
    const answer = await browser.ask(`${origin}/sign-in/callback?code=ada&state=${state}`);
    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining('SIGN_IN_STATE')]);
  });
});

describe('an open redirect', () => {
  it.each([
    'https://evil.example/',
    '//evil.example/',
    '/\\evil.example/',
    '\\/evil.example/',
    '/.//evil.example/',
    '/..//evil.example/',
    '/%2e//evil.example/',
    '/x/..//evil.example',
    'javascript:alert(1)',
    'evil.example',
    '/\t/evil.example',
    '/\n/evil.example',
    ' //evil.example',
    '/a b',
    `/${'x'.repeat(2_000)}`,
    '',
  ])('to %j leads to the start page', (path) => expect(returnPath(path)).toBe('/'));

  it.each([
    ['/runs?ref=main&page=2', '/runs?ref=main&page=2'],
    ['/@evil.example', '/@evil.example'],
    ['/a/../b', '/b'],
    ['/runs/x#line', '/runs/x'],
  ])('but %s is a path here', (path, wanted) => expect(returnPath(path)).toBe(wanted));

  it('is not on the page either, nor is what is written into it taken for a page', async () => {
    const { app } = await service();
    const browser = new WebClient({ [origin]: app });
    const page = await browser.ask(
      `${origin}/sign-in?return=${encodeURIComponent('/"><script>alert(1)</script>')}`,
    );
    expect(page.text).not.toContain('<script>');
    const outside = await browser.ask(`${origin}/sign-in?return=${encodeURIComponent('//evil.example')}`);
    expect(outside.text).not.toContain('evil.example');
    const { callback } = await signedIn(app, encodeURIComponent('<img src=x onerror=alert(1)>'));
    expect(callback).toContain('%3Cimg');
    const named = new WebClient({ [origin]: app });
    const begun = await named.ask(`${origin}/sign-in/start`);
    const state = new URL(begun.headers.get('location') ?? '').searchParams.get('state');
    const answer = await named.ask(`${origin}/sign-in/callback?code=%3Cimg%20src%3Dx%3E&state=${state}`);
    expect(answer.text).not.toContain('<img');
  });
});

describe('many who are signed in', () => {
  it('are of one person: the oldest session ends, and nobody else’s', async () => {
    const { app } = await service();
    const bob = await signedIn(app, 'bob');
    const first = await signedIn(app, 'ada');
    for (let n = 0; n < 20; n++) await signedIn(app, 'ada');
    expect((await first.browser.ask(`${origin}/`)).text).toBe('nobody');
    expect((await bob.browser.ask(`${origin}/`)).text).toBe('bob');
  });

  it('open streams without end: each session has a few', async () => {
    const { app, signed } = await service();
    const { browser } = await signedIn(app, 'ada');
    const cookie = `quorate-session-4995=${browser.cookies(origin).get('quorate-session-4995')?.value}`;
    const statuses: number[] = [];
    for (let n = 0; n < 10; n++)
      statuses.push((await app.request(`${origin}/sign-in/events`, { headers: { cookie } })).status);
    expect(statuses).toEqual([200, 200, 200, 200, 200, 200, 200, 200, 503, 503]);
    signed.close();
  });
});
