import { readFile, writeFile } from 'node:fs/promises';
import { Hono } from 'hono';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { HttpEnv } from '../../src/http/env.ts';
import { signInLimits } from '../../src/http/sign-in/limits.ts';
import { endSessionsOf } from '../../src/identity/oidc/settings-file.ts';
import { until } from '../e2e/support/wait.ts';
import { startProvider, type TestProvider } from '../support/oidc-provider.ts';
import { settingsOf, startSignIn, type TestSignIn } from '../support/sign-in.ts';
import { WebClient } from '../support/web-client.ts';

const origin = 'http://127.0.0.1:4999';
let provider: TestProvider;

beforeAll(async () => {
  provider = await startProvider({
    people: {
      ada: { name: 'Ada', groups: ['maintainers', 'staff'] },
      rita: { name: 'Rita', email: 'rita@example.org', email_verified: true },
      eve: { name: 'Eve', email: 'rita@example.org', email_verified: false, groups: ['visitors'] },
    },
    redirectUris: [`${origin}/sign-in/callback`],
  });
});
afterAll(() => provider.close());

async function service(): Promise<{ signed: TestSignIn; app: Hono<HttpEnv>; approved: string[] }> {
  const signed = await startSignIn(settingsOf(origin, provider), { provider });
  onTestFinished(() => signed.close());
  const approved: string[] = [];
  const app = new Hono<HttpEnv>();
  app.route('/', signed.app);
  app.get('/', (c) => c.text(signed.session(c)?.name ?? 'nobody'));
  app.get('/approvals', signed.requireRole('publisher'), (c) => c.text(signed.session(c)?.csrf ?? ''));
  app.post('/approve', signed.requireRole('publisher'), (c) => {
    approved.push(signed.session(c)?.person ?? '');
    return c.text('approved');
  });
  return { signed, app, approved };
}

const browser = (app: Hono<HttpEnv>, login: string) => new WebClient({ [origin]: app }, login);

describe('signing in at an OpenID Connect provider', () => {
  it('leads a publisher to the page that was asked for, and lets them approve', async () => {
    const { app, approved } = await service();
    const ada = browser(app, 'ada');
    const page = await ada.visit(`${origin}/approvals?run=1`);
    expect([page.url, page.status]).toEqual([`${origin}/sign-in?return=%2Fapprovals%3Frun%3D1`, 200]);
    const back = await ada.visit(`${origin}/sign-in/start?return=%2Fapprovals%3Frun%3D1`, origin);
    expect([back.url, back.status]).toEqual([`${origin}/approvals?run=1`, 200]);
    expect(ada.visited).toContain(`GET ${provider.issuer}/auth`);
    const done = await ada.ask(`${origin}/approve`, { form: { csrf: back.text }, from: origin });
    expect(done.text).toBe('approved');
    expect(approved).toEqual([`${provider.issuer}#ada`]);
  });

  it('gives the role of the rules: a reader by a verified address, nobody else', async () => {
    const { app } = await service();
    const rita = browser(app, 'rita');
    await rita.visit(`${origin}/sign-in/start`, origin);
    expect((await rita.ask(`${origin}/`)).text).toBe('Rita');
    expect((await rita.ask(`${origin}/approvals`)).text).toContain('SIGN_IN_ROLE');
    const eve = browser(app, 'eve');
    const refused = await eve.visit(`${origin}/sign-in/start`, origin);
    expect([refused.status, refused.text]).toEqual([403, expect.stringContaining('SIGN_IN_NO_ROLE')]);
    expect((await eve.ask(`${origin}/`)).text).toBe('nobody');
  });

  it('tells that the person cancelled it', async () => {
    const { app } = await service();
    const client = browser(app, 'ada');
    const start = await client.ask(`${origin}/sign-in/start`, { from: origin });
    const state = new URL(start.headers.get('location') ?? '').searchParams.get('state');
    const back = await client.ask(`${origin}/sign-in/callback?error=access_denied&state=${state}`);
    expect([back.status, back.text]).toEqual([403, expect.stringContaining('OIDC_DENIED')]);
  });

  it('gives cookies that scripts and other sites do not get, and a new one at each sign-in', async () => {
    const { app } = await service();
    const ada = browser(app, 'ada');
    const start = await ada.ask(`${origin}/sign-in/start`);
    expect(start.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^quorate-sign-in-4999=[^;]+; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/),
    ]);
    await ada.visit(start.headers.get('location') ?? '');
    const session = ada.cookies(origin).get('quorate-session-4999');
    expect(session?.isStrict).toBe(true);
    await ada.visit(`${origin}/sign-in/start`);
    expect(ada.cookies(origin).get('quorate-session-4999')?.value).not.toBe(session?.value);
    const old = browser(app, '');
    old.cookies(origin).set('quorate-session-4999', { value: session?.value ?? '', isStrict: true });
    expect((await old.ask(`${origin}/`)).text).toBe('nobody');
  });

  it('has no cookie with a domain or without TLS behind https', async () => {
    const signed = await startSignIn('origin = "https://ci.example.org"');
    onTestFinished(() => signed.close());
    const authority = {
      host: 'login.example',
      begin: async () => ({
        url: new URL('https://login.example/auth'),
        checks: { state: 's', nonce: 'n', verifier: 'v' },
      }),
      finish: async () => ({ person: 'p', name: 'P', role: () => 'reader' as const }),
    };
    const https = await startSignIn('origin = "https://ci.example.org"', { authority });
    onTestFinished(() => https.close());
    const start = await https.app.request('/sign-in/start');
    const [transaction = ''] = start.headers.getSetCookie();
    expect(transaction).toMatch(
      /^__Host-quorate-sign-in=[^;]+; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    );
    const back = await https.app.request('/sign-in/callback?state=s&code=c', {
      headers: { cookie: transaction.split(';')[0] ?? '' },
    });
    expect(back.headers.getSetCookie().at(-1)).toMatch(
      /^__Host-quorate-session=[^;]+; Path=\/; HttpOnly; Secure; SameSite=Strict$/,
    );
  });
});

describe('a session ends', () => {
  async function signedIn() {
    const made = await service();
    const ada = browser(made.app, 'ada');
    await ada.visit(`${origin}/sign-in/start`, origin);
    const { text } = await ada.ask(`${origin}/sign-in/session`, { headers: { accept: 'application/json' } });
    const { csrf } = JSON.parse(text) as { csrf: string };
    return { ...made, ada, csrf };
  }

  it('when the person signs out', async () => {
    const { ada, csrf } = await signedIn();
    expect((await ada.ask(`${origin}/sign-out`, { form: { csrf }, from: origin })).status).toBe(303);
    expect((await ada.ask(`${origin}/`)).text).toBe('nobody');
  });

  it.each([
    ['the owner lists the person as revoked', (text: string) => `revoked = ["ada"]\n${text}`],
    [
      'the owner takes the rule away',
      (text: string) => text.replace('contains = "maintainers"', 'contains = "owners"'),
    ],
  ])('at once after %s, in streams too', async (_, edit) => {
    const { signed, app, ada } = await signedIn();
    const cookie = `quorate-session-4999=${ada.cookies(origin).get('quorate-session-4999')?.value}`;
    const stream = await app.request(`${origin}/sign-in/events`, { headers: { cookie } });
    let heard = '';
    let isOver = false;
    const reading = (async () => {
      for await (const chunk of stream.body ?? []) heard += new TextDecoder().decode(chunk);
      isOver = true;
    })();
    await until('the stream', () => heard.includes('event: signed-in'));
    const { text } = await ada.ask(`${origin}/`);
    expect(text).toBe('Ada');
    await writeFile(signed.path, edit(await readFile(signed.path, 'utf8')));
    await until('the end of the stream', () => isOver);
    await reading;
    expect(heard).toContain('event: signed-out');
    expect((await ada.ask(`${origin}/approvals`)).headers.get('location')).toContain('/sign-in?return=');
  });

  it('with room for its streams, however often their head is asked for', async () => {
    const { app, ada } = await signedIn();
    const cookie = `quorate-session-4999=${ada.cookies(origin).get('quorate-session-4999')?.value}`;
    const ask = (method: string) => app.request(`${origin}/sign-in/events`, { method, headers: { cookie } });
    for (let n = 0; n < signInLimits.streamsPerSessionMax; n++) await ask('HEAD');
    const { status, body } = await ask('GET');
    expect(status).toBe(200);
    await body?.cancel();
  });

  it('at once by the command, after which the person may sign in again', async () => {
    const { signed, ada } = await signedIn();
    const person = `${provider.issuer}#ada`;
    expect((await ada.ask(`${origin}/`)).text).toBe('Ada');
    await endSessionsOf(person, signed.path, Date.now());
    await until('the end of the session', async () => (await ada.ask(`${origin}/`)).text === 'nobody');
    await ada.visit(`${origin}/sign-in/start`, origin);
    expect((await ada.ask(`${origin}/`)).text).toBe('Ada');
  });
});
