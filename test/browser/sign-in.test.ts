import { readFile, writeFile } from 'node:fs/promises';
import { Hono } from 'hono';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../examples/demo/free-port.ts';
import type { HttpEnv } from '../../src/http/env.ts';
import { listenHttp } from '../../src/http/listen.ts';
import { endSessionsOf } from '../../src/identity/oidc/settings-file.ts';
import type { WatchView } from '../../src/watcher/machine/view.ts';
import { watchApp } from '../../src/watcher/page/index.ts';
import { startProvider, type TestProvider } from '../support/oidc-provider.ts';
import { settingsOf, startSignIn } from '../support/sign-in.ts';
import { openChromium, view, violations } from './support/chromium.ts';

let browser: Browser;
let provider: TestProvider;
let origin: string;
let port: number;

beforeAll(async () => {
  browser = await openChromium();
  port = await freePort();
  origin = `http://127.0.0.1:${port}`;
  // On another site than the service, as in life.
  provider = await startProvider({
    host: '127.0.0.2',
    people: {
      ada: { name: 'Ada', groups: ['maintainers'] },
      rita: { name: 'Rita', email: 'rita@example.org', email_verified: true },
    },
    redirectUris: [`${origin}/sign-in/callback`],
  });
});
afterAll(async () => {
  await browser.close();
  await provider.close();
});

const commit = 'c0ffee'.padEnd(40, '0');

/** The surface of a watcher, with one pull request of a stranger. */
async function service() {
  const people = await startSignIn(settingsOf(origin, provider), { provider });
  const approved: string[] = [];
  const app = watchApp({
    version: '1',
    label: 'ci',
    badge: () => undefined,
    approvals: {
      people,
      decide: (pull, at, verdict, by) => void approved.push(`${pull}@${at} ${verdict} by ${by}`),
      pulls: () => [
        {
          id: `7@${commit}`,
          pull: 7,
          commit,
          title: 'Fix it',
          author: 'stranger',
          base: 'refs/heads/main',
          since: 0,
          decision: approved.length === 0 ? null : { verdict: 'approved', by: 'Ada' },
        } satisfies WatchView['pulls'][number],
      ],
    },
  });
  const server = await listenHttp({ host: '127.0.0.1', port, app, limits: { bodyBytesMax: 32_768 } });
  onTestFinished(async () => {
    people.close();
    await server.close();
  });
  return { signed: people, approved };
}

async function signIn(page: Page, name: string): Promise<void> {
  await page.goto(`${origin}/approvals`);
  await page.getByRole('link', { name: /^Sign in at/ }).click();
  await page.getByLabel('Name').fill(name);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

describe('signing in at an OpenID Connect provider, in Chromium', () => {
  it('gives a publisher, who comes back to the page that was asked for, and approves', async () => {
    const { approved } = await service();
    const { page } = await view(browser);
    await signIn(page, 'ada');
    await page.getByRole('button', { name: /^Approve/ }).click();
    await page.getByText('approved by Ada').waitFor();
    expect(approved).toEqual([`7@${commit} approved by Ada`]);
    expect(page.url()).toBe(`${origin}/approvals`);
    const cookies = await page.context().cookies(origin);
    expect(cookies).toMatchObject([
      { name: `quorate-session-${port}`, httpOnly: true, sameSite: 'Strict', path: '/' },
    ]);
  });

  it.each([
    [
      'is revoked in sign-in.toml',
      async (path: string) => writeFile(path, `revoked = ["ada"]\n${await readFile(path, 'utf8')}`),
    ],
    [
      'has their sessions ended by the command',
      (path: string) => endSessionsOf(`${provider.issuer}#ada`, path, Date.now()),
    ],
  ])('somebody who %s is out, in the page that is open too', async (_, revoke) => {
    const { signed, approved } = await service();
    const { page } = await view(browser);
    const streaming = page.waitForResponse((response) => response.url().endsWith('/sign-in/events'));
    await signIn(page, 'ada');
    await page.getByRole('button', { name: /^Approve/ }).waitFor();
    await streaming;
    await revoke(signed.path);
    // The page goes there without a click.
    await page.waitForURL(`${origin}/sign-in?return=%2Fapprovals`);
    await page.getByRole('link', { name: /^Sign in at/ }).waitFor();
    expect(approved).toEqual([]);
  });

  it('signs out, and stays out when the page is loaded again', async () => {
    await service();
    const { page } = await view(browser);
    await signIn(page, 'ada');
    await page.getByRole('link', { name: 'Ada' }).click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Signed out' }).waitFor();
    await page.goto(`${origin}/approvals`);
    expect(page.url()).toContain('/sign-in?return=');
  });

  it('tells a reader that this is for publishers', async () => {
    await service();
    const { page, faults } = await view(browser);
    await signIn(page, 'rita');
    await page.getByText('SIGN_IN_ROLE').waitFor();
    // The browser tells of the status.
    expect(faults.splice(0)).toEqual([expect.stringContaining('403')]);
  });

  it('another page gets no cookie with a form of its own, nor this one into a frame', async () => {
    const { approved } = await service();
    const evil = new Hono<HttpEnv>();
    evil.get('/', (c) => {
      c.header('content-security-policy', `default-src 'none'; form-action *; frame-src *`);
      return c.html(
        `<!doctype html><title>x</title><iframe src="${origin}/approvals"></iframe><form method="post" action="${origin}/approvals"><input name="csrf" value="x"><button>Win</button></form>`,
      );
    });
    const other = await listenHttp({ host: '127.0.0.3', port: 0, app: evil });
    onTestFinished(() => other.close());
    const { page, faults } = await view(browser);
    await signIn(page, 'ada');
    await page.getByRole('button', { name: /^Approve/ }).waitFor();
    await page.goto(`http://127.0.0.3:${other.port}/`);
    await page.getByRole('button', { name: 'Win' }).click();
    await page.getByText(/SIGN_IN_(REQUIRED|CSRF)/).waitFor();
    expect(approved).toEqual([]);
    expect(faults.splice(0).join('\n')).toContain('frame');
  });

  it('has pages that anybody can use: WCAG 2.2 AA as axe finds it', async () => {
    await service();
    const { page } = await view(browser);
    await page.goto(`${origin}/sign-in`);
    expect(await violations(page)).toEqual([]);
    await signIn(page, 'ada');
    await page.getByRole('button', { name: /^Approve/ }).waitFor();
    for (const path of ['/sign-out', '/sign-in/device']) {
      await page.goto(origin + path);
      expect(await violations(page), path).toEqual([]);
    }
  });
});
