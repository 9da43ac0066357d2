// Takes the pictures of the pages that stand in the docs, of a project that it runs on this machine, with builds in sandboxes:
// `node scripts/run.js scripts/pictures.ts [FOLDER]`. Needs what `scripts/setup.js --for matrices` installs.
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { verifyPage } from '../src/http/verify-page/page-file.ts';
import { openChromium } from '../test/browser/support/launch.ts';
import { jobWithLog, projectWithPages, trustedRun } from '../test/browser/support/pages.ts';
import type { LocalCluster } from '../test/e2e/support/local-cluster.ts';
import { endAll } from '../test/e2e/support/processes.ts';

const bytesMax = 150_000;
const view = { width: 1100, height: 760 };

async function main([folder = join(import.meta.dirname, '..', 'docs', 'images')]: string[]): Promise<void> {
  const into = resolve(folder);
  await mkdir(into, { recursive: true });
  const browser = await openChromium();
  try {
    const { cluster, url } = await projectWithPages();
    const made = await trustedRun(cluster, 'hello', jobWithLog(400));
    await picture(browser, join(into, 'project.png'), (page) => loaded(page, url));
    await picture(browser, join(into, 'run.png'), (page) => loaded(page, `${url}/runs/${made.run}`));
    await picture(browser, join(into, 'verify.png'), (page) => verified(page, cluster, made));
    await picture(browser, join(into, 'worker.png'), (page) => worker(page, cluster));
  } finally {
    await browser.close();
    await endAll();
  }
}

async function picture(browser: Browser, file: string, show: (page: Page) => Promise<void>): Promise<void> {
  const context = await browser.newContext({ viewport: view, colorScheme: 'light', deviceScaleFactor: 1 });
  try {
    const page = await context.newPage();
    await show(page);
    await page.screenshot({ path: file, animations: 'disabled', caret: 'hide' });
  } finally {
    await context.close();
  }
  const { size } = await stat(file);
  if (size > bytesMax) throw new Error(`${file} has ${size} bytes; at most ${bytesMax} stand in the docs`);
  process.stderr.write(`${file}: ${size} bytes\n`);
}

async function loaded(page: Page, address: string): Promise<void> {
  await page.goto(address);
  await page.locator('h1').waitFor();
}

/** The page that verifies, with its answer about a folder that was fetched. */
async function verified(
  page: Page,
  cluster: LocalCluster,
  { artifact }: { artifact: string },
): Promise<void> {
  const bundle = join(cluster.dir, 'hello.bundle');
  const { code, report } = await cluster.fetch(artifact, 'hello', '--bundle-out', bundle);
  if (code !== 0) throw new Error(`cannot fetch:\n${report}`);
  const file = join(cluster.dir, 'verify.html');
  await writeFile(file, (await verifyPage()).html);
  await page.goto(`${pathToFileURL(file).href}#project=${cluster.project}`);
  await page.locator('#bundle').setInputFiles(bundle);
  await page.locator('#folder').setInputFiles(cluster.fetched('hello'));
  await page.getByRole('button', { name: 'Verify' }).click();
  await page.locator('#result > p.last').waitFor();
  await page.locator('#result').evaluate((element) => {
    if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
    element.scrollIntoView();
  });
}

/** The page of a worker that has built something. */
async function worker(page: Page, cluster: LocalCluster): Promise<void> {
  const node = cluster.start('page', ['worker', 'page'], { home: 'ada', cwd: cluster.dir });
  const { url } = await node.event('listening');
  await page.goto(String(url));
  await page.locator('#history li').first().waitFor();
  await page.locator('input[type=range]').first().waitFor();
}

await main(process.argv.slice(2));
