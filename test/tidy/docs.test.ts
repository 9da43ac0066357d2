import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { projectAlarms, runAlarms } from '../../src/protocol/account/index.ts';
import { declaredCodes } from './house/error-codes.ts';
import { houseFiles, lineAt, root } from './house/source.ts';

const pages = houseFiles().filter(({ path }) => path.endsWith('.md'));
const places = 'src|sandbox|test|bootstrap|simulations|examples|scripts|docs';

/** The anchor GitHub gives a heading. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

describe('the pages', () => {
  it('are there', () => expect(pages.length).toBeGreaterThan(10));

  it('have 55,000 words at most, without the decisions', () => {
    const counts = pages
      .filter(({ path }) => !path.startsWith('docs/adr/'))
      .map(({ path, text }) => ({ path, words: text.match(/\S+/g)?.length ?? 0 }))
      .sort((a, b) => b.words - a.words);
    const longest = counts.slice(0, 8).map(({ path, words }) => `${words} ${path}`);
    const advice = `delete what is said twice, or by the code or --help. The longest: ${longest.join(', ')}`;
    const words = counts.reduce((sum, count) => sum + count.words, 0);
    expect(words, advice).toBeLessThanOrEqual(55_000);
  });

  it('name files and folders that exist', () => {
    const named = pages.flatMap(({ path, text }) =>
      [...text.matchAll(new RegExp(`\`((?:${places})/[\\w./-]+)\``, 'g'))].map(({ 1: name = '', index }) => ({
        at: `${path}:${lineAt(text, index)}`,
        name,
      })),
    );
    expect(named.length).toBeGreaterThan(100);
    expect(named.filter(({ name }) => !existsSync(join(root, name)))).toEqual([]);
  });

  it('name functions that are in the file they name', () => {
    const [, page = ''] = pages.flatMap(({ path, text }) => (path === 'ARCHITECTURE.md' ? ['', text] : []));
    const named = [...page.matchAll(/`([\w./-]+\.ts)` \(((?:`\w+`(?:, )?)+)\)/g)].flatMap(
      ([, file = '', names = '']) => [...names.matchAll(/`(\w+)`/g)].map(([, name = '']) => ({ file, name })),
    );
    expect(named.length).toBeGreaterThan(30);
    const sources = houseFiles();
    const unknown = named.filter(
      ({ file, name }) => !sources.some(({ path, text }) => path.endsWith(file) && text.includes(name)),
    );
    expect(unknown).toEqual([]);
  });

  it('name tests that are in the file they name', () => {
    const named = pages.flatMap(({ path, text }) =>
      [...text.matchAll(/`(test\/[\w./-]+\.ts)`((?: › “.+?”(?= ›|;| \||\.|$))+)/gm)].flatMap(
        ({ 1: file = '', 2: titles = '', index }) =>
          [...titles.matchAll(/› “(.+?)”(?= ›|$)/g)].map(({ 1: title = '' }) => ({
            at: `${path}:${lineAt(text, index)}`,
            file,
            title,
          })),
      ),
    );
    expect(named.length).toBeGreaterThan(40);
    // A title may be cut with "…": one test of the file begins so.
    const unknown = named.filter(({ file, title }) => {
      const text = existsSync(join(root, file)) ? readFileSync(join(root, file), 'utf8') : '';
      const cut = title.endsWith('…');
      const begins = cut ? title.slice(0, -1) : title;
      const times = ["'", '"', '`'].map(
        (quote) => text.split(`(${quote}${begins}${cut ? '' : quote}`).length - 1,
      );
      const found = times.reduce((sum, one) => sum + one, 0);
      return cut ? found !== 1 : found === 0;
    });
    expect(unknown).toEqual([]);
  });

  it('link to files that exist', () => {
    const dead = pages.flatMap(({ path, text }) =>
      [...text.matchAll(/\]\(([^()\s#]+)\)/g)].flatMap(({ 1: to = '', index }) =>
        /^[a-z]+:/.test(to) || existsSync(join(root, path, '..', to))
          ? []
          : [`${path}:${lineAt(text, index)} ${to}`],
      ),
    );
    expect(dead).toEqual([]);
  });

  it('link to headings that are on the page', () => {
    const dead = pages.flatMap(({ path, text }) =>
      [...text.matchAll(/\]\(([^()\s#]*)#([^()\s]+)\)/g)].flatMap(
        ({ 1: page = '', 2: anchor = '', index }) => {
          if (/^[a-z]+:/.test(page)) return [];
          const to = page === '' ? text : readFileSync(join(root, path, '..', page), 'utf8');
          const anchors = [...to.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading));
          return anchors.includes(anchor) ? [] : [`${path}:${lineAt(text, index)} ${page}#${anchor}`];
        },
      ),
    );
    expect(dead).toEqual([]);
  });

  it('say of every bad input what its user sees, and which test holds it', () => {
    const codes = new Set(declaredCodes(houseFiles()).map(({ code }) => code));
    const rows = (pages.find(({ path }) => path === 'docs/bad-input.md')?.text ?? '')
      .split('\n')
      .filter((line) => /^\| (?!(what comes in|a build that) \|)/.test(line))
      .map((line) => line.slice(2, -2).split(' | '));
    expect(rows.length).toBeGreaterThan(40);
    const held = /`test\/[\w./-]+\.ts` › “/;
    expect(rows.filter(([what, seen, by]) => !what || !seen || !held.test(by ?? ''))).toEqual([]);
    const named = rows.flatMap(([, seen = '']) =>
      [...seen.matchAll(/`([A-Z]+(?:_[A-Z0-9]+)+)`/g)].map(([, code = '']) => code),
    );
    expect(named.length).toBeGreaterThan(60);
    expect(named.filter((code) => !codes.has(code))).toEqual([]);
  });

  it('say of every promise of a version which test holds it', () => {
    const text = pages.find(({ path }) => path === 'docs/versions.md')?.text ?? '';
    const rows = text.split('\n').filter((line) => /^\| (?!what \|)/.test(line));
    expect(rows.length).toBeGreaterThan(6);
    const held = /`test\/[\w./-]+\.ts`|no test: nothing is promised/;
    expect(rows.filter((row) => !held.test(row.split(' | ').at(-1) ?? ''))).toEqual([]);
  });

  it('say of every alarm what it means, and of no other', () => {
    const [, section = ''] =
      /^## Alarms\n([\s\S]*?)^## /m.exec(
        pages.find(({ path }) => path === 'docs/operations.md')?.text ?? '',
      ) ?? [];
    const told = [...section.matchAll(/^\| `([\w-]+)`/gm)].map(([, name]) => name);
    const rules = readFileSync(join(root, 'docs/monitoring/alerts.yml'), 'utf8');
    const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
    expect(told).toEqual([...runAlarms, ...projectAlarms, ...alerts]);
    // Others are not in these lists.
    const raising = houseFiles().filter(
      ({ path, text }) => /^src\/(?!cli\/|[a-z-]+\/commands\/)/.test(path) && /['"`]ALARM\b/.test(text),
    );
    expect(raising.map(({ path }) => path)).toEqual(['src/protocol/account/alarms.ts']);
  });

  it('say of every threat which test holds it, or that none does', () => {
    const model = pages.find(({ path }) => path === 'docs/threat-model.md')?.text ?? '';
    const rows = model
      .split(/^## /m)
      .filter((part) => part.includes('| countermeasure | test |'))
      .flatMap((part) =>
        part
          .split('\n')
          .filter((line) => line.startsWith('| '))
          .slice(1),
      );
    expect(rows.length).toBeGreaterThan(40);
    const held = /`test\/[\w./-]+\.ts` › “|no test yet|no test possible|not built/;
    expect(rows.filter((row) => !held.test(row.split(' | ').at(-1) ?? ''))).toEqual([]);
    // A suite of the sandbox has a file for each tier.
    const attacks = houseFiles().filter(({ path }) =>
      /^test\/attacks\/(?!sandbox\/).+\.test\.ts$/.test(path),
    );
    expect(attacks.length).toBeGreaterThan(40);
    expect(attacks.filter(({ path }) => !model.includes(`\`${path}\``))).toEqual([]);
  });
});
