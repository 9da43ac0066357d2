import { Hono } from 'hono';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../examples/demo/free-port.ts';
import { whoIs } from '../../src/client/login.ts';
import type { HttpEnv } from '../../src/http/env.ts';
import { listenHttp } from '../../src/http/listen.ts';
import { type DevicePrompt, signInDevice } from '../../src/identity/oidc/device.ts';
import { startProvider, type TestProvider } from '../support/oidc-provider.ts';
import { settingsOf, startSignIn } from '../support/sign-in.ts';
import { WebClient } from '../support/web-client.ts';

let origin: string;
let port: number;
let provider: TestProvider;

beforeAll(async () => {
  port = await freePort();
  origin = `http://127.0.0.1:${port}`;
  provider = await startProvider({
    people: { ada: { name: 'Ada', groups: ['maintainers'] } },
    redirectUris: [`${origin}/sign-in/callback`],
  });
});
afterAll(() => provider.close());

async function service() {
  const signed = await startSignIn(settingsOf(origin, provider), { provider });
  const app = new Hono<HttpEnv>();
  app.route('/', signed.app);
  app.post('/approve', signed.requireRole('publisher'), (c) => c.text('approved'));
  const server = await listenHttp({ host: '127.0.0.1', port, app, limits: { bodyBytesMax: 32_768 } });
  onTestFinished(async () => {
    signed.close();
    await server.close();
  });
  const browser = new WebClient({}, 'ada');
  await browser.visit(`${origin}/sign-in/start`, origin);
  return { signed, browser };
}

const csrfIn = (text: string) => /name="csrf" value="([^"]+)"/.exec(text)?.[1] ?? '';

describe('a terminal', () => {
  it('is signed in by a code that a person confirms in a browser', async () => {
    const { signed, browser } = await service();
    const { signal } = new AbortController();
    const prompted = Promise.withResolvers<DevicePrompt>();
    const token = signInDevice({
      issuer: origin,
      clientId: 'quorate-terminal',
      signal,
      tell: (prompt) => prompted.resolve(prompt),
    });
    const { code, completeUrl } = await prompted.promise;
    const page = await browser.ask(completeUrl);
    expect(page.text).toContain(`value="${code}"`);
    const form = { csrf: csrfIn(page.text), user_code: code.toLowerCase() };
    const done = await browser.ask(`${origin}/sign-in/device/confirm`, { form, from: origin });
    expect(done.text).toContain('is signed in');
    expect(await whoIs(origin, await token, signal)).toEqual({
      person: `${provider.issuer}#ada`,
      name: 'Ada',
      role: 'publisher',
    });
    // Programs need no CSRF token, and no cookie goes with theirs.
    const headers = { authorization: `Bearer ${await token}` };
    expect(await (await fetch(`${origin}/approve`, { method: 'POST', headers })).text()).toBe('approved');
    signed.close();
    expect((await fetch(`${origin}/approve`, { method: 'POST', headers })).status).toBe(401);
  });

  it('gets nothing for a code that was mistyped, of another process, or not confirmed', async () => {
    const { browser } = await service();
    const page = await browser.ask(`${origin}/sign-in/device`);
    const confirm = async (user_code: string) => {
      const form = { csrf: csrfIn(page.text), user_code };
      const answer = await browser.ask(`${origin}/sign-in/device/confirm`, { form, from: origin });
      return [answer.status, answer.text];
    };
    const refused = [400, expect.stringContaining('SIGN_IN_CODE')];
    for (const wrong of ['', 'x'.repeat(500)]) expect(await confirm(wrong)).toEqual(refused);
    // The last two letters follow from the others: by chance one of these is right, once in 200.
    expect([await confirm('BCDFG-HJKLM'), await confirm('BCDFG-HJKLN')]).toContainEqual(refused);
    const ask = async (code: string) => {
      const body = new URLSearchParams({
        grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
        device_code: code,
      });
      return (await fetch(`${origin}/sign-in/token`, { method: 'POST', body })).json();
    };
    expect(await ask('made-up')).toEqual({ error: 'expired_token' });
    const begun = await fetch(`${origin}/sign-in/device`, {
      method: 'POST',
      body: new URLSearchParams({ client_id: 'quorate-terminal' }),
    });
    const { device_code: code } = (await begun.json()) as { device_code: string };
    expect(await ask(code)).toEqual({ error: 'authorization_pending' });
  });

  it('has a token that is no cookie, and a cookie is no token', async () => {
    const { browser } = await service();
    const cookie = browser.cookies(origin).get(`quorate-session-${port}`)?.value ?? '';
    const asToken = await fetch(`${origin}/sign-in/session`, {
      headers: { authorization: `Bearer ${cookie}` },
    });
    expect(asToken.status).toBe(401);
  });
});

describe('the pages of signing in', () => {
  it('are in no frame, run nothing inline, are not kept, and tell no other site where they came from', async () => {
    await service();
    for (const path of ['/sign-in', '/sign-in/start', '/sign-in/callback', '/sign-out']) {
      const { headers } = await fetch(`${origin}${path}`, {
        redirect: 'manual',
        headers: { accept: 'text/html' },
      });
      expect(headers.get('content-security-policy'), path).toContain("frame-ancestors 'none'");
      expect(headers.get('content-security-policy'), path).not.toContain('unsafe-inline');
      expect(headers.get('x-frame-options'), path).toBe('DENY');
      expect(headers.get('x-content-type-options'), path).toBe('nosniff');
      expect(headers.get('referrer-policy'), path).toBe('no-referrer');
      expect(headers.get('cache-control'), path).toBe('no-store');
    }
  });
});
