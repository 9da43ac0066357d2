import { readFile } from 'node:fs/promises';
import { expect, it, onTestFinished } from 'vitest';
import { view } from './support/chromium.ts';
import { openChromium } from './support/launch.ts';

it('the page of a running log keeps a bounded number of steps and lines, and says from which line on', async () => {
  const browser = await openChromium();
  onTestFinished(() => browser.close());
  const { page } = await view(browser, {});
  await page.setContent(
    '<main><span class="connection"></span><div class="log" id="log" data-events="events" data-next="1"></div></main>',
  );
  await page.evaluate(() => {
    const sources: EventTarget[] = [];
    Object.assign(globalThis, {
      sources,
      EventSource: class extends EventTarget {
        constructor() {
          super();
          sources.push(this);
        }
        close() {}
      },
    });
  });
  await page.addScriptTag({
    content: await readFile(new URL('../../src/http/static/log.js', import.meta.url), 'utf8'),
  });
  const shown = await page.evaluate(() => {
    const [source] = (globalThis as unknown as { sources: EventTarget[] }).sources;
    const send = (data: string) => source?.dispatchEvent(new MessageEvent('lines', { data }));
    const line = (n: number) => `<div id="L${n}">line ${n}</div>`;
    const counts = () => {
      const list = document.getElementById('log');
      return {
        steps: list?.querySelectorAll(':scope > details').length,
        blocks: list?.querySelectorAll(':scope > details > div').length,
        first: list?.querySelector('[id^=L]')?.id,
        last: list?.querySelector('details:last-of-type > div:last-of-type > :last-child')?.id,
        says: document.getElementById('gone')?.textContent ?? '',
      };
    };
    let n = 0;
    const step = () =>
      send(`<details open><summary id="S${++n}">step</summary><div>${line(n)}</div></details>`);
    for (let at = 0; at < 900; at++) step();
    const few = counts();
    for (let at = 0; at < 1_600; at++) step();
    const manySteps = counts();
    for (let at = 0; at < 2_500; at++) send(line(++n));
    return { few, manySteps, manyLines: counts() };
  });
  expect(shown.few).toEqual({ steps: 900, blocks: 900, first: 'L1', last: 'L900', says: '' });
  const { manySteps, manyLines } = shown;
  expect(manySteps).toMatchObject({ steps: 1_000, blocks: 1_000, first: 'L1501', last: 'L2500' });
  expect(manySteps.says).toContain('from line 1501 on');
  // A block has one line here.
  expect(manyLines).toMatchObject({ steps: 1, blocks: 1_999, first: 'L3002', last: 'L5000' });
  expect(manyLines.says).toContain('from line 3002 on');
});
