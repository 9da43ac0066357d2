import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gate } from '../e2e/support/gate.ts';
import { LocalCluster } from '../e2e/support/local-cluster.ts';
import { until } from '../e2e/support/wait.ts';
import { fits, looks, openChromium, type View, view, violations } from './support/chromium.ts';

const held = gate();
const job = `jobs:
  build:
    image: host
    run:
      - |
        ${held.step}
        echo built > "$OUT/out"
    outputs: [out]
    limits: {cpus: 1, memory: 256MiB, disk: 64MiB, time: 10m}
    trust: {agree: 2, of: 3, cosign: required, rounds: 1}
`;

let browser: Browser;
let cluster: LocalCluster;
let address: string;

beforeAll(async () => {
  browser = await openChromium();
  cluster = await LocalCluster.start({ slotWait: '2s' });
  await cluster.volunteer('ada');
  const page = cluster.start('page', ['worker', 'page'], { home: 'ada', cwd: cluster.dir });
  address = String((await page.event('listening')).url);
});
afterAll(() => browser.close());

async function opened(options: View = {}) {
  const viewed = await view(browser, options);
  await viewed.page.goto(address);
  return viewed;
}

const state = (page: Page) => page.locator('#state .state').textContent();

describe('quorate worker page, in Chromium, beside a worker', () => {
  it('keeps the token out of the address bar, and opens again without it', async () => {
    const { page } = await opened();
    expect(page.url()).not.toContain('token');
    await page.reload();
    expect(await state(page)).toBe('working');
    const [cookie] = await page.context().cookies();
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict' });
    expect(cookie?.path).toBe(new URL(page.url()).pathname);
  });

  it('pauses and resumes, and shows what another terminal does', async () => {
    const { page } = await opened();
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByText('It is paused.').waitFor();
    expect(await state(page)).toContain('paused');
    expect((await cluster.cli(['worker', 'resume'], { home: 'ada', cwd: cluster.dir })).code).toBe(0);
    await until('the page tells of it', async () => (await state(page)) === 'working');
    await page.getByRole('button', { name: 'Pause' }).waitFor();
  });

  it('has a slider for each limit, with the notation of worker.toml', async () => {
    const { page } = await opened();
    const field = page.locator('#seconds');
    const slider = page.locator('[data-for=seconds]');
    await slider.focus();
    await page.keyboard.press('Home');
    expect(await field.inputValue()).toBe('5m');
    expect(await slider.getAttribute('aria-valuetext')).toBe('5m');
    await page.keyboard.press('End');
    expect(await field.inputValue()).toBe('none');
    await field.fill('2h');
    await page.getByRole('button', { name: 'Lend this' }).click();
    await page.getByText('It lends this from now on.').waitFor();
    expect(await page.locator('#seconds').inputValue()).toBe('2h');
    const { lines } = await cluster.cli(['worker', 'status'], { home: 'ada', cwd: cluster.dir });
    expect(lines[0]).toMatchObject({ status: { lending: { seconds: 7200 } } });
  });

  it('says at the field what is wrong with it', async () => {
    const { page, faults } = await opened();
    await page.locator('#memoryBytes').fill('lots');
    await page.getByRole('button', { name: 'Lend this' }).click();
    await page.getByRole('alert').waitFor();
    expect(await page.locator('#memoryBytes').inputValue()).toBe('lots');
    expect(await page.locator('#memoryBytes-help').textContent()).toContain('expected a size');
    // Chromium tells of the status 400.
    expect(faults.splice(0)).toEqual([expect.stringContaining('400')]);
  });

  it('works without JavaScript', async () => {
    const { page } = await opened({ javaScript: false });
    expect(await page.locator('input[type=range]').first().isVisible()).toBe(false);
    await page.getByRole('button', { name: 'Pause' }).click();
    expect(await state(page)).toContain('paused');
    await page.getByRole('button', { name: 'Resume' }).click();
    expect(await state(page)).toBe('working');
  });

  it('shows a build as it runs, and in the history once it has ended', async () => {
    const { page } = await opened();
    await cluster.submit(await cluster.git.commit('app', { 'quorate.yaml': job }));
    await page.locator('#builds strong').getByText('build').waitFor();
    await held.reached(1);
    await held.open();
    await page.locator('#history').getByText('exit 0').waitFor();
    expect(await page.locator('#builds').textContent()).toBe('No build.');
  });

  it('is steered by no other site', async () => {
    const { page } = await opened();
    const target = `${page.url()}pause`;
    const evil = await page.context().newPage();
    await evil.setContent(`<form method="post" action="${target}"><button>win</button></form>`);
    await evil.getByRole('button').click();
    await evil.getByText('LENDER_').waitFor();
    await page.reload();
    expect(await state(page)).toBe('working');
  });

  it.each(looks)('has no violation of WCAG A and AA, $width px wide, $scheme', async (look) => {
    const { page } = await opened(look);
    await page.locator('#history li, #history p').first().waitFor();
    expect(await violations(page)).toEqual([]);
    expect(await fits(page)).toBe(true);
  });
});
