import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { summaryOf } from '../../src/controller/machine/queries/summary.ts';
import { accountOf } from '../../src/protocol/account/index.ts';
import type { Played } from '../controller/page/scenes/scene.ts';
import { openSite, openStage, type Stage, scenes } from '../controller/page/scenes/site.ts';
import { fits, openChromium, view, violations } from './support/chromium.ts';
import { looks } from './support/scenes.ts';

let browser: Browser;
let stage: Stage;
beforeAll(async () => {
  [browser, stage] = await Promise.all([openChromium(), openStage()]);
});
afterAll(() => Promise.all([browser.close(), stage.close()]));

/** Selectors of all that a reader has to see of a scene without scrolling; of each the first one counts. */
function wantedOf(name: string, { story, run, path }: Played): string[] {
  if (path?.includes('/logs/')) return ['h1', '.log'];
  if (path === '/runs') return ['h1', '.chip'];
  if (name === 'empty') return ['h1', '.begin > li'];
  if (name === 'policy') return ['#policy h2'];
  if (path === '/' || run === undefined) {
    const sentence = ['[role=status]', '[role=status] .chip'];
    // Trouble stands above the branches.
    return name === 'trouble' ? sentence : [...sentence, '.branches .chip'];
  }
  const account = accountOf(summaryOf(story.bench.controller.state, story.bench.facts(run)));
  return [
    'h1',
    '[role=status]',
    `[role=status] .chip.${account.state}`,
    // A sentence of hostile words is as long as it may be.
    ...(account.next.length === 0 || name === 'hostile' ? [] : ['.next > li']),
  ];
}

/** Selectors whose element is not in the window as a whole, and chips that are cut. */
function hidden(page: Page, wanted: readonly string[]): Promise<string[]> {
  return page.evaluate((selectors) => {
    const main = document.querySelector('main');
    const boxOf = (element: Element) => {
      const { top, right, bottom, left } = element.getBoundingClientRect();
      return { top, right, bottom, left };
    };
    const missing = selectors.filter((selector) => {
      const found = main?.querySelector(selector);
      if (found == null || !found.checkVisibility() || found.textContent.trim() === '') return true;
      const { top, bottom, left, right } = boxOf(found);
      // Of a list of lines the first ones are enough.
      const last = selector === '.log' ? top + 100 : bottom;
      return top < 0 || last > innerHeight || left < 0 || right > innerWidth;
    });
    const cut = [...(main?.querySelectorAll('.chip') ?? [])].filter((chip) => {
      // A wide window has the graph of a pipeline in the place of its list.
      const isDrawn = chip.closest('#pipeline')?.querySelector('.graph')?.checkVisibility() === true;
      if (!chip.checkVisibility()) return !isDrawn && chip.closest('details:not([open])') === null;
      const box = boxOf(chip);
      if (box.left < 0 || box.right > innerWidth || box.right - box.left < 8) return true;
      for (let around = chip.parentElement; around !== null; around = around.parentElement) {
        if (getComputedStyle(around).overflowX === 'visible') continue;
        const outer = boxOf(around);
        if (box.left < outer.left - 1 || box.right > outer.right + 1) return true;
      }
      return false;
    });
    return [
      ...missing,
      ...new Set(cut.map((chip) => `chip ${chip.textContent} in ${chip.closest('[id]')?.id}`)),
    ];
  }, wanted);
}

describe('the pages of each scene, at three widths in two themes', () => {
  it.each(scenes)('$name: $about', async ({ name, play }) => {
    const played = await play(stage.store);
    const site = await openSite(stage, name, played);
    const { page, faults } = await view(browser);
    try {
      await page.clock.setFixedTime(site.now);
      await page.goto(site.url);
      await page.locator('h1').waitFor();
      if ((await page.locator('.compare').count()) > 0) await page.locator('.beside').first().waitFor();
      const wanted = wantedOf(name, played);
      for (const { width, height, scheme } of looks) {
        await page.setViewportSize({ width, height });
        await page.emulateMedia({ colorScheme: scheme });
        const found = {
          hidden: await hidden(page, wanted),
          fits: await fits(page),
          axe: await violations(page),
        };
        expect([width, scheme, found]).toEqual([width, scheme, { hidden: [], fits: true, axe: [] }]);
      }
      // A browser tells of a file that one side lacks.
      if (name === 'disputed-missing') expect(faults.splice(0)).toEqual([expect.stringContaining('404')]);
    } finally {
      await page.close();
      await site.close();
    }
  });
});
