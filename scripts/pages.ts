// Shows the pages of a controller in every state, of projects that its machine was driven to: `npm run pages` serves them on this machine
// and prints the addresses, until Ctrl-C. `--out FOLDER` writes pictures at three widths in both themes instead; `--only NAME` takes
// those whose name begins so. Pictures need what `scripts/setup.js --for matrices` installs.
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { openChromium } from '../test/browser/support/launch.ts';
import { looks, shown } from '../test/browser/support/scenes.ts';
import { openSite, openStage, type Stage, scenes } from '../test/controller/page/scenes/site.ts';

const firstPort = 8400;

async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { out: { type: 'string' }, only: { type: 'string', default: '' } },
  });
  const stage = await openStage();
  try {
    await (values.out === undefined
      ? serve(stage, values.only)
      : pictures(stage, values.only, resolve(values.out)));
  } finally {
    await stage.close();
  }
}

const chosen = (only: string) => scenes.filter(({ name }) => name.startsWith(only));

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
    for (const { name, play } of chosen(only)) {
      const site = await openSite(stage, name, await play(stage.store));
      for (const look of looks)
        await shown(browser, site, look, (page) =>
          page.screenshot({
            path: join(folder, `${name}-${look.width}-${look.scheme}.png`),
            animations: 'disabled',
          }),
        );
      await site.close();
      process.stdout.write(`${name}\n`);
    }
  } finally {
    await browser.close();
  }
}

await main(process.argv.slice(2));
