import { Readable } from 'node:stream';
import type { Browser, Page } from 'playwright-core';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { exited, treeCid } from '../../simulations/paperwork.ts';
import { openSite, openStage, type Stage, scenes } from '../controller/page/scenes/site.ts';
import { type Files, lantern, Story } from '../controller/page/scenes/story.ts';
import { fits, openChromium, type Viewed, view, violations } from './support/chromium.ts';
import { looks } from './support/scenes.ts';

let browser: Browser;
let stage: Stage;
let sites = 0;
beforeAll(async () => {
  [browser, stage] = await Promise.all([openChromium(), openStage()]);
});
afterAll(() => Promise.all([browser.close(), stage.close()]));

const siteFor = async (story: Story, run: string): Promise<string> => {
  const site = await openSite(stage, `difference-${++sites}`, { story, run });
  onTestFinished(() => site.close());
  return site.url;
};

type Built = Parameters<Story['build']>[1][string];

/** The page of a run to which alice and bob came with these results. */
async function disputed(a: Built, b: Built, options?: Parameters<typeof view>[1]): Promise<Viewed> {
  const story = await Story.of(stage.store, ['alice', 'bob']);
  const run = await story.publish('build', { policy: { agree: 2, of: 2 } });
  await story.build(run, { alice: a, bob: b });
  const url = await siteFor(story, run);
  const viewed = await view(browser, options);
  await viewed.page.goto(url);
  return viewed;
}

const treesOf = async (a: Files, b: Files): Promise<[Built, Built]> => {
  const story = await Story.of(stage.store, ['alice', 'bob']);
  const results = [await story.tree({ ...lantern, ...a }), await story.tree({ ...lantern, ...b })];
  return results.map((as, n) => ({ as, files: [{ path: 'share/x', sha256: String(n).repeat(64) }] })) as [
    Built,
    Built,
  ];
};

const says = (page: Page) => page.locator('.compare [role=status]').first();
const beside = (page: Page) => page.locator('.beside').first();

describe('the first difference of a dispute', () => {
  it.each([
    ['disputed-results-differ', 'alice built “Light it first.”; bob built “Light it first, on Mondays.”'],
    ['disputed-bytes', '“bin/lantern”, byte 77 (0x4d): alice and carol built 31 00; bob built 33 00.'],
    ['disputed-missing', '“share/lantern.log”: bob built it; of alice and carol: no such file.'],
    ['disputed-contradicted', 'your own worker built “Light it first.”'],
  ])('%s: is a sentence and stands side by side, at three widths in two themes', async (name, sentence) => {
    const scene = scenes.find((one) => one.name === name);
    const { story, run = '' } = (await scene?.play(stage.store)) ?? {};
    const { page, faults } = await view(browser);
    await page.goto(await siteFor(story as Story, run));
    await beside(page).waitFor();
    expect(await says(page).textContent()).toContain(sentence);
    for (const { width, height, scheme } of looks) {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme: scheme });
      expect([width, scheme, await fits(page), await violations(page)]).toEqual([width, scheme, true, []]);
      const [left, right] = await page.locator('.beside figure').all();
      const [a, b] = [await left?.boundingBox(), await right?.boundingBox()];
      expect([width, (a?.y ?? 0) === (b?.y ?? 0)]).toEqual([width, width > 390]);
    }
    if (name === 'disputed-missing') expect(faults.splice(0)).toEqual([expect.stringContaining('404')]);
  });

  it('is marked by a sign, and read with the keyboard alone, further results too', async () => {
    const scene = scenes.find(({ name }) => name === 'disputed-results-differ');
    const { story, run = '' } = (await scene?.play(stage.store)) ?? {};
    const { page } = await view(browser, { width: 390 });
    await page.goto(await siteFor(story as Story, run));
    await beside(page).waitFor();
    expect(await beside(page).locator('td', { hasText: '≠' }).count()).toBe(2);
    expect(await beside(page).locator('mark').allTextContents()).toEqual(['', ',·on·Mondays']);
    await beside(page).getByRole('region').first().focus();
    await page.keyboard.press('ArrowRight');
    await page.locator('#difference summary').focus();
    await page.keyboard.press('Enter');
    await page.locator('details .beside').waitFor();
    expect(await page.locator('details .compare [role=status]').textContent()).toContain('carol built');
  });

  it('is not there before the round is revealed, and comes by itself once the run is over', async () => {
    const story = await Story.of(stage.store, ['alice', 'bob']);
    const run = await story.publish('build', { policy: { agree: 2, of: 2 } });
    const leases = await story.lease(run, 'alice', 'bob');
    const [a, b] = [await story.tree({ x: 'a' }), await story.tree({ x: 'b' })];
    await story.deliver(leases, { alice: a });
    const url = await siteFor(story, run);
    const { page } = await view(browser);
    await page.goto(url);
    const file = new URL(`/trees/${a.artifact}/file?path=x`, url);
    expect([await page.locator('#difference').textContent(), (await fetch(file)).status]).toEqual(['', 404]);
    await story.deliver(leases, { bob: b });
    await beside(page).waitFor();
    expect(await says(page).textContent()).toBe('“x”, line 1, column 1: alice built “a”; bob built “b”.');
    const answer = await fetch(file, { headers: { range: 'bytes=0-0' } });
    const header = (name: string) => answer.headers.get(name);
    expect([answer.status, header('content-type'), header('x-content-type-options')]).toEqual([
      206,
      'application/octet-stream',
      'nosniff',
    ]);
    expect(header('content-disposition')).toBe('attachment; filename="x.none"');
  });

  it('is read without JavaScript as two downloads and a command', async () => {
    const { page } = await disputed(...(await treesOf({ 'share/x': 'a' }, { 'share/x': 'b' })), {
      javaScript: false,
    });
    expect(await page.locator('.compare li').first().textContent()).toBe(
      'share/x: as alice built it · as bob built it',
    );
    expect(await page.locator('#difference').textContent()).toContain('quorate diff ');
  });

  const hostile = [
    ...['</td></table><script>alert(1)</script>', '<img src=x onerror=alert(1)>', '${7*7}{{7*7}}'],
    ...['\u202ecod.exe\u202c', '\u0000', '\u001b[31mred', '\u200b\ufeff', 'e'.concat('\u0301'.repeat(500))],
    ...['x'.repeat(2_000_000), '\n'.repeat(300_000), '\r'.repeat(90_000), '<b>'.repeat(90_000)],
    '\u05d0\u05d1 1 \u0627',
  ].map((text): [string, string] => [text.slice(0, 30), text]);
  it.each(hostile)('puts nothing but text into the page, and not much: %j', async (_, text) => {
    const [a, b] = await treesOf({ 'share/x': `${text}1${text}` }, { 'share/x': `${text}2${text}` });
    const { page } = await disputed(a, b);
    await beside(page).waitFor();
    const { names, count, chars } = await page.locator('.compare').evaluate((box) => {
      const all = [...box.querySelectorAll('*')];
      const names = [...new Set(all.map(({ localName }) => localName))];
      return { names, count: all.length, chars: box.textContent.length };
    });
    const known = 'div p figure figcaption table tr th td mark ul li code a'.split(' ');
    expect(names.filter((name) => !known.includes(name))).toEqual([]);
    expect([count < 400, chars < 20_000]).toEqual([true, true]);
    expect(await beside(page).textContent()).not.toMatch(/(?![\t ])[\p{C}\p{Z}]/u);
    expect(await fits(page)).toBe(true);
  });

  it.each<[what: string, a: Files, b: Files, says: RegExp]>([
    ['an empty file', { 'share/x': '' }, { 'share/x': 'b\n' }, /that of alice ends there; bob built “b”/],
    [
      'a difference beyond the bound',
      { 'share/x': `${'a'.repeat(9_000_000)}1` },
      { 'share/x': `${'a'.repeat(9_000_000)}2` },
      /“share\/x”: the first 8 MiB are the same/,
    ],
    [
      'files that only their receipts tell apart',
      { 'share/x': 'a' },
      { 'share/x': 'a', y: '' },
      /are the same/,
    ],
  ])('says so of %s', async (_, a, b, sentence) => {
    const { page } = await disputed(...(await treesOf(a, b)));
    await expect.poll(() => says(page).textContent(), { timeout: 30_000 }).toMatch(sentence);
  });

  it('says that there is a link in the place of a file', async () => {
    const archive = pack();
    archive.entry({ name: 'share/x', type: 'symlink', linkname: 'y' });
    archive.finalize();
    const { root } = await stage.store.importTar(Readable.from(archive), { into: stage.store.public });
    const [a] = await treesOf({ 'share/x': 'a' }, {});
    const { page, faults } = await disputed(a, { as: exited(root), files: [] });
    await expect
      .poll(() => says(page).textContent())
      .toBe('“share/x”: alice built it; of bob: no file, but a link.');
    await expect.poll(() => faults.splice(0)).toEqual([expect.stringContaining('404')]);
  });

  it('says that modes or links differ where no file does', async () => {
    const tree = async (name: string) => {
      const archive = pack();
      archive.entry({ name: 'x', mode: name === 'a' ? 0o755 : 0o644 }, 'same');
      archive.finalize();
      const { root } = await stage.store.importTar(Readable.from(archive), { into: stage.store.public });
      return { as: exited(root), files: [{ path: 'x', sha256: '1'.repeat(64) }] };
    };
    const { page } = await disputed(await tree('a'), await tree('b'));
    expect(await page.locator('#difference').textContent()).toContain('a mode, a link or a folder differs');
  });

  it('says what it waits for in vain: bytes that are nowhere, or a server that is slow', async () => {
    const files = [{ path: 'x', sha256: '1'.repeat(64) }];
    const gone = { as: exited(treeCid('gone')), files };
    const lost = { as: exited(treeCid('lost')), files: [{ path: 'x', sha256: '2'.repeat(64) }] };
    const { page, faults } = await disputed(gone, lost);
    await expect
      .poll(() => says(page).textContent(), { timeout: 60_000 })
      .toBe('They could not be compared: its bytes are not here.');
    await page.addInitScript(() => {
      const own = AbortSignal.timeout.bind(AbortSignal);
      AbortSignal.timeout = () => own(200);
    });
    await page.route('**/trees/**', () => {});
    await page.reload();
    await expect
      .poll(() => says(page).textContent())
      .toBe('They could not be compared: it took more than 20 s.');
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByText('Comparing').waitFor();
    expect(faults.splice(0).filter((fault) => !fault.includes('404'))).toEqual([]);
  });
});
