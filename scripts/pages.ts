// Shows the pages of a controller in every state, of projects that its machine was driven to: `npm run pages`. Pictures need what
// `scripts/setup.js --for matrices` installs.
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import { glances } from '../test/browser/support/glances.ts';
import { openChromium } from '../test/browser/support/launch.ts';
import { jobWithLog, projectWithPages, trustedRun } from '../test/browser/support/pages.ts';
import { type Look, looks, shown } from '../test/browser/support/scenes.ts';
import { smallPng } from '../test/browser/support/small-png.ts';
import { largeScenes } from '../test/controller/page/scenes/large.ts';
import { openSite, openStage, type Stage, scenes as small } from '../test/controller/page/scenes/site.ts';
import { endAll } from '../test/e2e/support/processes.ts';
import { runScript } from '../test/support/script.ts';

const scenes = [...small, ...largeScenes];
const firstPort = 8400;
const root = join(import.meta.dirname, '..');

const usage = `usage: npm run pages [-- [--only NAME] [--out FOLDER | --docs]]

Serves the pages of a controller in every state on this machine, and prints the addresses, until Ctrl-C.

  --only NAME    those whose name begins so: ${scenes.map(({ name }) => name).join(', ')}
  --out FOLDER   write pictures at three widths in both themes there instead
  --docs         write the pictures of the docs and of the test at a glance instead
`;

function optionsOf(args: string[]) {
  const { values } = parseArgs({
    args,
    options: { out: { type: 'string' }, only: { type: 'string', default: '' }, docs: { type: 'boolean' } },
  });
  if (!scenes.some(({ name }) => name.startsWith(values.only)))
    throw new Error(`no page has a name that begins with "${values.only}"`);
  return values;
}

async function main({ out, only, docs }: ReturnType<typeof optionsOf>): Promise<number> {
  const stage = await openStage();
  try {
    if (docs === true) await picturesOfDocs(stage);
    else if (out === undefined) await serve(stage, only);
    else await pictures(stage, only, resolve(out));
  } finally {
    await stage.close();
  }
  return 0;
}

async function serve(stage: Stage, only: string): Promise<void> {
  const sites = [];
  for (const [n, { name, about, play }] of scenes.entries()) {
    if (!name.startsWith(only)) continue;
    const site = await openSite(stage, name, await play(stage.store), firstPort + n);
    sites.push(site);
    process.stdout.write(`${name}: ${about}\n  ${site.url}\n`);
  }
  process.stdout.write('Ctrl-C ends.\n');
  await new Promise((ended) => process.once('SIGINT', ended).once('SIGTERM', ended));
  for (const site of sites) await site.close();
}

async function pictures(stage: Stage, only: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const browser = await openChromium();
  try {
    for (const { name } of scenes.filter((one) => one.name.startsWith(only)))
      for (const look of looks)
        await picture(stage, browser, name, look, join(folder, `${name}-${look.width}-${look.scheme}.png`));
  } finally {
    await browser.close();
  }
}

/** The first window of a scene; `show`: what is done on its page before. */
async function picture(
  stage: Stage,
  browser: Browser,
  name: string,
  look: Look,
  path: string,
  show?: (page: Page) => Promise<void>,
): Promise<void> {
  const scene = scenes.find((one) => one.name === name);
  if (scene === undefined) throw new Error(`there is no scene ${name}`);
  const site = await openSite(stage, name, await scene.play(stage.store));
  try {
    await shown(browser, site, look, async (page) => {
      await show?.(page);
      await writeFile(path, smallPng(await page.screenshot(still)));
    });
  } finally {
    await site.close();
  }
  process.stdout.write(`${path}\n`);
}

const still = { animations: 'disabled', caret: 'hide' } as const;
const bytesMax = { docs: 150_000, glance: 60_000 };

async function picturesOfDocs(stage: Stage): Promise<void> {
  const browser = await openChromium();
  const images = join(root, 'docs', 'images');
  const look = { width: 1100, height: 760, scheme: 'light' } as const;
  try {
    await picture(stage, browser, 'branches', look, join(images, 'project.png'));
    await picture(stage, browser, 'trusted-dissent', look, join(images, 'run.png'));
    await picture(stage, browser, 'failed-test', look, join(images, 'failed.png'));
    await picture(stage, browser, 'trusted', look, join(images, 'verify.png'), verified);
    for (const name of ['project', 'run', 'failed', 'verify'])
      await bounded(join(images, `${name}.png`), bytesMax.docs);
    const folder = join(root, 'test', 'browser', 'glance');
    await mkdir(folder, { recursive: true });
    for (const [n, { scene, look: seen }] of glances.entries()) {
      const file = join(folder, `${n + 1}.png`);
      await picture(stage, browser, scene, seen, file);
      await bounded(file, bytesMax.glance);
    }
    const answers = glances.map(({ green, why, next }, n) => `| ${n + 1} | ${green} | ${why} | ${next} |\n`);
    await writeFile(
      join(folder, 'answers.md'),
      `| picture | green | why | what next |\n|---|---|---|---|\n${answers.join('')}`,
    );
    await worker(browser, join(images, 'worker.png'), look);
  } finally {
    await browser.close();
    await endAll();
  }
}

async function bounded(file: string, max: number): Promise<void> {
  const { size } = await stat(file);
  if (size > max) throw new Error(`${file} has ${size} bytes; at most ${max} are kept`);
}

/** From the page of a run to the page that verifies, with its answer. */
async function verified(page: Page): Promise<void> {
  await page.locator('a[href*="/verify#"]').first().click();
  await page.locator('#result > p.last').waitFor();
  await page.locator('#result').evaluate((element) => element.scrollIntoView());
}

/** The page of a worker that has built something, in a project on this machine. */
async function worker(browser: Browser, path: string, { width, height, scheme }: Look): Promise<void> {
  const { cluster } = await projectWithPages();
  await trustedRun(cluster, 'hello', jobWithLog(400));
  const node = cluster.start('page', ['worker', 'page'], { home: 'ada', cwd: cluster.dir });
  const { url } = await node.event('listening');
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme });
  const page = await context.newPage();
  await page.goto(String(url));
  await page.locator('#history li').first().waitFor();
  await page.locator('input[type=range]').first().waitFor();
  await writeFile(path, smallPng(await page.screenshot(still)));
  await context.close();
  await bounded(path, bytesMax.docs);
}

process.exitCode = await runScript(usage, optionsOf, main);
