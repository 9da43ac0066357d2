import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gate } from '../e2e/support/gate.ts';
import type { LocalCluster } from '../e2e/support/local-cluster.ts';
import { fits, looks, openChromium, view, violations } from './support/chromium.ts';
import { jobWithLog, projectWithPages, trustedRun } from './support/pages.ts';

const lines = 10_000;
const held = gate();

let browser: Browser;
let cluster: LocalCluster;
let url: string;
let run: string;
/** Of a run with few lines, which is looked at line by line, and of one with many. */
let log: string;
let longLog: string;

beforeAll(async () => {
  browser = await openChromium();
  ({ cluster, url } = await projectWithPages());
  const long = await trustedRun(cluster, 'long', jobWithLog(lines));
  ({ run } = await trustedRun(cluster, 'hello', jobWithLog(100)));
  [log, longLog] = [await firstLog(run), await firstLog(long.run)];
});
afterAll(() => browser.close());

/** Path of the first log that the page of a run links to. */
async function firstLog(of: string): Promise<string> {
  const html = await (await fetch(`${url}/runs/${of}`)).text();
  const [, path] = /href="(\/runs\/[0-9a-f]+\/logs\/[0-9a-f]+)"/.exec(html) ?? [];
  if (path === undefined) throw new Error(`no log is linked to:\n${html}`);
  return path;
}

async function opened(path: string, options: Parameters<typeof view>[1] = {}) {
  const viewed = await view(browser, options);
  await viewed.page.goto(`${url}${path}`);
  return viewed;
}

const pages: [name: string, path: () => string][] = [
  ['project', () => '/'],
  ['runs', () => '/runs'],
  ['run', () => `/runs/${run}`],
  ['log', () => log],
  ['search in a log', () => `${log}?q=00042`],
  ['missing', () => '/runs/nothing'],
];

describe.each(looks)('pages of a project in Chromium, $width px wide, $scheme', (look) => {
  it.each(pages)(
    '%s: no violation of WCAG A and AA, no error, no wider than the window',
    async (name, path) => {
      const { page, faults, requests } = await opened(path(), look);
      await page.locator('h1').waitFor();
      expect(await violations(page)).toEqual([]);
      expect(await fits(page)).toBe(true);
      // The page loads from no other origin.
      expect(requests.filter((one) => !one.startsWith(`GET ${url}/`))).toEqual([]);
      if (name === 'missing') expect(faults.splice(0)).toEqual([expect.stringContaining('404')]);
    },
  );
});

describe('pages of a project in Chromium', () => {
  it('go on by themselves from a run to its trusted verdict', async () => {
    const job = jobWithLog(3).replace('i=0', `${held.step}\n          i=0`);
    const node = await cluster.submit(await cluster.git.commit('live', { 'quorate.yaml': job }));
    const { page } = await opened(`/runs/${node.run}`);
    await held.reached(1);
    await held.openDuring(page.locator('#state .chip.trusted').waitFor());
    expect((await node.end()).code).toBe(0);
  });

  it('are used with the keyboard alone', async () => {
    const { page } = await opened('/');
    await page.keyboard.press('Tab');
    expect(await focused(page)).toBe('Skip to content');
    await page.keyboard.press('Enter');
    expect(new URL(page.url()).hash).toBe('#main');
    await page.locator(`a[href="/runs/${run}"]`).first().focus();
    await page.keyboard.press('Enter');
    await page.waitForURL(`${url}/runs/${run}`);
  });

  it('have a link to each line of a log, and find what is searched for', async () => {
    const { page } = await opened(`${longLog}#L4242`);
    await page.locator('#L4242').waitFor();
    const inView = () =>
      page.locator('#L4242').evaluate((line) => {
        const { top, bottom } = line.getBoundingClientRect();
        return top >= 0 && bottom <= innerHeight;
      });
    await expect.poll(inView).toBe(true);
    await page.getByLabel('Search in the log').fill('00042');
    await page.keyboard.press('Enter');
    await page.getByText('module 00042').waitFor();
  });

  it('paint a log of ten thousand lines in a few times what the page of the project takes', async () => {
    const small = await firstPaint('/');
    const large = await firstPaint(longLog);
    expect(large / small).toBeLessThan(12);
  });

  it('are read without JavaScript', async () => {
    const { page } = await opened(`/runs/${run}`, { javaScript: false });
    expect(await page.locator('#state').textContent()).toContain('trusted');
    await page.goto(`${url}${log}`);
    await page.locator('summary').filter({ hasText: 'Compile' }).click();
    await page.getByText('module 00042').waitFor();
  });
});

const focused = (page: Page) => page.evaluate(() => document.activeElement?.textContent?.trim());

/** Milliseconds from the request to the first paint of content, the best of five. */
async function firstPaint(path: string): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < 5; n++) {
    const { page } = await opened(path);
    const paint = await page.waitForFunction(
      () => performance.getEntriesByName('first-contentful-paint')[0]?.startTime,
    );
    times.push((await paint.jsonValue()) ?? 0);
  }
  return Math.min(...times);
}
