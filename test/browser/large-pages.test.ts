import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { largeScenes } from '../controller/page/scenes/large.ts';
import { openSite, openStage, type Site, type Stage, scenes } from '../controller/page/scenes/site.ts';
import { openChromium, view } from './support/chromium.ts';

/** Compressed, as a browser asks for it. */
const bytesMax = 200_000;
/** Times the first paint of an empty page of the same server in the same run. */
const paintsMax = 3;
const tries = 7;

let browser: Browser;
let stage: Stage;
const sites = new Map<string, Site>();
const names = ['empty', 'crowd', 'matrix', 'matrix-project', 'long-log'];

beforeAll(async () => {
  [browser, stage] = await Promise.all([openChromium(), openStage()]);
  for (const { name, play } of [...scenes, ...largeScenes])
    if (names.includes(name)) sites.set(name, await openSite(stage, name, await play(stage.store)));
});
afterAll(async () => {
  await browser.close();
  for (const site of sites.values()) await site.close();
  await stage.close();
});

const urlOf = (name: string): string => {
  const site = sites.get(name);
  if (site === undefined) throw new Error(`there is no scene ${name}`);
  return site.url;
};

interface Loaded {
  /** Milliseconds from the request to the first paint of content. */
  paintMs: number;
  bytes: number;
}

async function loaded(url: string): Promise<Loaded> {
  const { page } = await view(browser);
  await page.goto(url);
  const found = await page.waitForFunction(() => {
    const paint = performance.getEntriesByName('first-contentful-paint')[0];
    const [load] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[];
    return paint !== undefined && load !== undefined && load.responseEnd > 0
      ? { paintMs: paint.startTime, bytes: load.encodedBodySize }
      : undefined;
  });
  const value = await found.jsonValue();
  await page.close();
  return value as Loaded;
}

const pages: [what: string, url: () => string][] = [
  ['a project of 200 branches and 5,000 runs', () => urlOf('crowd')],
  ['the list of these runs', () => new URL('/runs', urlOf('crowd')).href],
  ['a project with a matrix of 48 jobs', () => urlOf('matrix-project')],
  ['one of these jobs', () => urlOf('matrix')],
  ['a log of 100,000 lines', () => urlOf('long-log')],
];

describe('large pages in Chromium', () => {
  it.each(pages)('%s: painted like a few empty ones, and small enough', async (_, url) => {
    const paints: Record<'empty' | 'large', number[]> = { empty: [], large: [] };
    let bytes = 0;
    // In turns: both see the same machine.
    for (let n = 0; n < tries; n++) {
      paints.empty.push((await loaded(urlOf('empty'))).paintMs);
      const large = await loaded(url());
      paints.large.push(large.paintMs);
      bytes = Math.max(bytes, large.bytes);
    }
    const ratio = Math.min(...paints.large) / Math.min(...paints.empty);
    expect(bytes).toBeGreaterThan(0);
    expect(bytes).toBeLessThanOrEqual(bytesMax);
    expect(ratio).toBeLessThanOrEqual(paintsMax);
  });
});
