import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../examples/demo/free-port.ts';
import { gate } from '../e2e/support/gate.ts';
import { jobFile } from '../e2e/support/jobs.ts';
import { LocalCluster } from '../e2e/support/local-cluster.ts';
import { scratch } from '../e2e/support/processes.ts';
import { startProvider, type TestProvider } from '../support/oidc-provider.ts';
import { settingsOf } from '../support/sign-in.ts';
import { openChromium, view } from './support/chromium.ts';

/** Of a controller, where people sign in with keys, and of a watcher, where they do at a provider. */
let origins: { controller: string; watcher: string };
let browser: Browser;
let provider: TestProvider;
let cluster: LocalCluster;

beforeAll(async () => {
  browser = await openChromium();
  const [controller, watcher] = [await freePort(), await freePort()];
  origins = { controller: `http://127.0.0.1:${controller}`, watcher: `http://127.0.0.1:${watcher}` };
  provider = await startProvider({
    host: '127.0.0.2',
    people: {
      ada: { name: 'Ada', groups: ['maintainers'] },
      rita: { name: 'Rita', email: 'rita@example.org', email_verified: true },
    },
    redirectUris: [`${origins.watcher}/sign-in/callback`],
  });
  const signIn = join(await scratch(), 'sign-in.toml');
  await writeFile(signIn, `origin = "${origins.controller}"\n`);
  cluster = await LocalCluster.start({
    volunteers: ['ada', 'ben', 'cleo'],
    trusted: true,
    controllerArgs: ['--http', `127.0.0.1:${controller}`, '--sign-in', signIn],
  });
  const ticket = await cluster.ticket('eve', '--role', 'publisher');
  await cluster.cli(['join', ticket, '--yes'], { home: 'eve' });
});
afterAll(async () => {
  await browser.close();
  await provider.close();
});

/** A repository that is watched, whose builds wait at a gate. */
async function watched() {
  const held = gate();
  const url = await cluster.git.commit('tool', {
    'quorate.yaml': jobFile({ run: [held.step, 'echo 1 > "$OUT/f"'] }),
  });
  const home = cluster.home('owner');
  await mkdir(home, { recursive: true });
  const secret = 'client-id = "quorate"\nclient-secret-file = "page.secret"';
  const settings = settingsOf(origins.watcher, provider).replace('client-id = "quorate"', secret);
  await writeFile(join(home, 'page.toml'), settings);
  await writeFile(join(home, 'page.secret'), provider.clientSecret, { mode: 0o600 });
  await writeFile(
    join(home, 'watch.toml'),
    [
      ...['[repository]', `url = "${url}"`, 'poll = "1s"'],
      ...['[http]', `listen = "${new URL(origins.watcher).host}"`, 'sign-in = "page.toml"'],
      ...['[[rule]]', 'name = "main"', 'branches = ["main"]'],
    ].join('\n'),
  );
  const watcher = cluster.start('quorate watch', ['watch']);
  onTestFinished(async () => void (await watcher.stop()));
  await watcher.event('looked');
  await cluster.git.commit('tool', { a: '1' });
  const runs = () => watcher.all('published').flatMap((line) => line.runs as { run: string }[]);
  return { held, watcher, runs };
}

/** Opens the link that `quorate login --page` prints, as who has the key of a home. */
async function signInWithKey(page: Page, home: string): Promise<void> {
  const { lines, report } = await cluster.cli(['login', '--page', origins.controller], { home });
  const url = lines[0]?.url;
  if (typeof url !== 'string') throw new Error(report);
  await page.goto(url);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(`${origins.controller}/`);
}

async function signInAtProvider(page: Page, name: string): Promise<void> {
  await page.goto(`${origins.watcher}/pipelines`);
  await page.getByRole('link', { name: /^Sign in at/ }).click();
  await page.getByLabel('Name').fill(name);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** Sends the form of a button with another token than that of the session. */
async function withWrongToken(page: Page, name: string | RegExp): Promise<string> {
  await page
    .locator('input[name=csrf]')
    .evaluateAll((all) => all.forEach((input) => void input.setAttribute('value', 'x'.repeat(43))));
  const [answer] = await Promise.all([
    page.waitForResponse((one) => one.request().method() === 'POST'),
    page.getByRole('button', { name }).click(),
  ]);
  return `${answer.status()} ${(await page.locator('body').textContent())?.match(/SIGN_IN_\w+/)?.[0]}`;
}

it('a run is cancelled at the page of its controller, run again where it failed, and run again whole, at that of the watcher', async () => {
  const { held, watcher, runs } = await watched();
  await watcher.event('published');
  await held.reached(3);
  const [first] = runs();
  const runPage = `${origins.controller}/runs/${first?.run}`;

  // Without the right, or with another token, nothing ends.
  const eve = await view(browser);
  await signInWithKey(eve.page, 'eve');
  await eve.page.goto(runPage);
  await eve.page.getByText('Cancel it').click();
  await eve.page
    .getByText(/^quorate cancel /)
    .first()
    .waitFor();
  expect(await eve.page.getByRole('button', { name: 'Cancel this run' }).count()).toBe(0);
  const owner = await view(browser);
  await signInWithKey(owner.page, 'owner');
  await owner.page.goto(runPage);
  expect(await withWrongToken(owner.page, 'Cancel this run')).toBe('403 SIGN_IN_CSRF');
  expect(await cluster.show(first?.run ?? '')).toMatchObject({ state: 'building' });

  await owner.page.goto(runPage);
  await owner.page.getByRole('button', { name: 'Cancel this run' }).click();
  await owner.page.waitForURL(runPage);
  await owner.page.locator('#state .chip', { hasText: 'cancelled' }).first().waitFor();
  expect(await cluster.show(first?.run ?? '')).toMatchObject({ state: 'cancelled' });

  const reader = await view(browser);
  await signInAtProvider(reader.page, 'rita');
  await reader.page.getByText('SIGN_IN_ROLE').waitFor();
  const ada = await view(browser);
  await signInAtProvider(ada.page, 'ada');
  const again = async (name: string | RegExp) => {
    // The pages answer a client that asks for them all the time with 429.
    const interval = 1_000;
    await expect
      .poll(
        async () => {
          await ada.page.goto(`${origins.watcher}/pipelines`);
          return ada.page.getByRole('button', { name }).count();
        },
        { interval },
      )
      .toBe(1);
  };
  await again(/^Run failed jobs again/);
  expect(await withWrongToken(ada.page, /^Run failed jobs again/)).toBe('403 SIGN_IN_CSRF');
  expect(runs()).toHaveLength(1);

  for (const [n, name] of [/^Run failed jobs again/, /^Run again/].entries()) {
    await again(name);
    await ada.page.getByRole('button', { name }).click();
    await ada.page.waitForURL(`${origins.watcher}/pipelines`);
    await expect.poll(() => runs().length).toBe(n + 2);
    const { run = '' } = runs()[n + 1] ?? {};
    await held.openDuring(expect.poll(() => cluster.show(run)).toMatchObject({ level: 'trusted' }));
  }
  expect(new Set(runs().map(({ run }) => run)).size).toBe(3);
  // Each action that was refused told the browser of its status.
  for (const { faults } of [owner, reader, ada])
    expect(faults.splice(0)).toEqual([expect.stringContaining('403')]);
});
