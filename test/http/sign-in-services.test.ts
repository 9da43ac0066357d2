import { readFile, writeFile } from 'node:fs/promises';
import { Hono } from 'hono';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { HttpEnv } from '../../src/http/env.ts';
import { IdpAuthority } from '../../src/http/sign-in/idp-authority.ts';
import { joseVerifier } from '../../src/identity/verifier.ts';
import { until } from '../e2e/support/wait.ts';
import { idp, makeCharter, testKey } from '../support/documents.ts';
import { startProvider, type TestProvider } from '../support/oidc-provider.ts';
import { settingsOf, startSignIn } from '../support/sign-in.ts';
import { WebClient } from '../support/web-client.ts';

const idpOrigin = 'http://127.0.0.1:4997';
const watchOrigin = 'http://127.0.0.1:4996';
let provider: TestProvider;

beforeAll(async () => {
  provider = await startProvider({
    people: { ada: { name: 'Ada', groups: ['maintainers'] } },
    redirectUris: [`${idpOrigin}/sign-in/callback`],
  });
});
afterAll(() => provider.close());

/** The identity provider as one process, and a service as another, which ask each other in this one. */
async function twoProcesses({ signer = idp, services = [watchOrigin] } = {}) {
  const clock = { ahead: 0 };
  const now = () => Date.now() + clock.ahead;
  const text = `services = ${JSON.stringify(services)}\n${settingsOf(idpOrigin, provider)}`;
  const atIdp = await startSignIn(text, {
    provider,
    now,
    issuer: { signer: signer.signer, charter: makeCharter },
  });
  const net = { isUp: true, answers: 0 };
  const authority = new IdpAuthority({
    idp: idpOrigin,
    origin: watchOrigin,
    charter: () => makeCharter(),
    verifier: joseVerifier,
    now,
    ask: async (url, { body }) => {
      if (!net.isUp) throw new TypeError('fetch failed');
      const text = JSON.stringify(body);
      const headers = { 'content-type': 'application/json', 'content-length': String(text.length) };
      const answer = await atIdp.app.request(url.href, { method: 'POST', body: text, headers });
      net.answers++;
      return { ok: answer.ok, status: answer.status, text: await answer.text() };
    },
  });
  const watch = await startSignIn(`origin = "${watchOrigin}"\n[idp]\nurl = "${idpOrigin}"\n`, {
    authority,
    now,
  });
  const app = new Hono<HttpEnv>();
  app.route('/', watch.app);
  app.get('/', (c) => c.text(watch.session(c)?.name ?? 'nobody'));
  onTestFinished(() => {
    authority.close();
    watch.close();
    atIdp.close();
  });
  const browser = new WebClient({ [idpOrigin]: atIdp.app, [watchOrigin]: app }, 'ada');
  return { atIdp, browser, clock, net, app };
}

const signIn = (browser: WebClient) => browser.visit(`${watchOrigin}/sign-in/start`, watchOrigin);
const whoIs = async (browser: WebClient) => (await browser.ask(`${watchOrigin}/`)).text;

describe('a service that asks the identity provider', () => {
  it('learns who signs in there, and sends nobody there twice', async () => {
    const { browser } = await twoProcesses();
    const page = await signIn(browser);
    // The page of the identity provider, on which the person goes on.
    expect(page.text).toContain('/sign-in/start?return=');
    const [, start = ''] = /href="(\/sign-in\/start[^"]*)"/.exec(page.text) ?? [];
    const back = await browser.visit(idpOrigin + start.replaceAll('&amp;', '&'), idpOrigin);
    expect([back.url, back.text]).toEqual([`${watchOrigin}/`, 'Ada']);
    browser.cookies(watchOrigin).clear();
    browser.visited.length = 0;
    expect((await signIn(browser)).text).toBe('Ada');
    expect(browser.visited.filter((line) => line.includes(provider.issuer))).toEqual([]);
  });

  async function signedIn(options = {}) {
    const made = await twoProcesses(options);
    await made.browser.visit(`${idpOrigin}/sign-in/start`, idpOrigin);
    return { ...made, page: await signIn(made.browser) };
  }

  it('hears at once that somebody is revoked there', async () => {
    const { atIdp, browser } = await signedIn();
    expect(await whoIs(browser)).toBe('Ada');
    await writeFile(atIdp.path, `revoked = ["ada"]\n${await readFile(atIdp.path, 'utf8')}`);
    await until('the end of the session', async () => (await whoIs(browser)) === 'nobody');
  });

  it('hears at once that it is a service no more', async () => {
    const { atIdp, browser } = await signedIn();
    await writeFile(
      atIdp.path,
      (await readFile(atIdp.path, 'utf8')).replace(watchOrigin, 'https://x.example'),
    );
    await until('the end of the session', async () => (await whoIs(browser)) === 'nobody');
  });

  it('keeps people longer than a session document lasts, by renewing it', async () => {
    const { browser, clock, net } = await signedIn();
    for (let minutes = 0; minutes < 12; minutes += 4) {
      clock.ahead += 4 * 60_000;
      // The first may have been on its way before.
      const after = net.answers + 2;
      await until('two more answers', () => net.answers >= after);
      expect(await whoIs(browser)).toBe('Ada');
    }
  });

  it('lets nobody stay longer than five minutes without it', async () => {
    const { browser, clock, net } = await signedIn();
    net.isUp = false;
    clock.ahead = 290_000;
    expect(await whoIs(browser)).toBe('Ada');
    clock.ahead = 301_000;
    expect(await whoIs(browser)).toBe('nobody');
  });

  it('takes no word that another key signed than that of an identity provider of the charter', async () => {
    const { page } = await signedIn({ signer: testKey('mallory') });
    expect([page.status, page.text]).toEqual([403, expect.stringContaining('SIGN_IN_SERVICE_REFUSED')]);
    // Once, and not within itself.
    expect(page.text).toContain('does not hold: it is not signed by an identity provider');
  });

  it('that the identity provider does not know gets nobody', async () => {
    const { page } = await signedIn({ services: ['https://other.example'] });
    expect([page.status, page.text]).toEqual([403, expect.stringContaining('SIGN_IN_SERVICE_REFUSED')]);
    expect(page.url).toContain(idpOrigin);
  });

  it('takes no answer of another provider, and no code twice', async () => {
    const { browser } = await twoProcesses();
    await browser.visit(`${idpOrigin}/sign-in/start`, idpOrigin);
    const begun = await browser.ask(`${watchOrigin}/sign-in/start`);
    const state = new URL(begun.headers.get('location') ?? '').searchParams.get('state');
    const elsewhere = await browser.ask(
      `${watchOrigin}/sign-in/callback?code=${'a'.repeat(43)}&state=${state}&iss=https://mallory.example`,
    );
    expect(elsewhere.text).toContain('SIGN_IN_SERVICE_REFUSED');
    await signIn(browser);
    const asked = await browser.ask(`${watchOrigin}/sign-in/start`);
    const authorize = await browser.ask(asked.headers.get('location') ?? '', { from: idpOrigin });
    const answer = authorize.headers.get('location') ?? '';
    expect((await browser.ask(answer)).status).toBe(200);
    expect((await browser.ask(answer)).text).toContain('SIGN_IN_STATE');
  });
});
