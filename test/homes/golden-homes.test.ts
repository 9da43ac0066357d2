import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { checkHome } from '../../src/backup/check.ts';
import { contentOf } from './content.ts';
import { formatsOf } from './formats.ts';
import { addGolden, goldenFolder, goldenHomes } from './golden.ts';
import { copyOf, isRefused, newer } from './newer.ts';

const all = goldenHomes();
const newest = all.at(-1)?.n ?? 0;

describe.each(all)('the homes $n of test/vectors/homes', ({ n, formats, content }) => {
  it('are of the formats that they are kept for', async () => {
    expect(formatsOf(await copyOf(n))).toEqual(formats);
  });

  it('are read as they were by the version that made them, also once they are of today', async () => {
    const dir = await copyOf(n);
    expect(await contentOf(dir)).toEqual(content);
    expect(await contentOf(dir)).toEqual(content);
  });
});

it('homes that are kept are not written again, and those of other formats get a number of their own', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-golden-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const left = await copyOf(newest);
  const add = (format: string, content: string) =>
    addGolden(left, { formats: { store: format }, content }, folder);
  expect(await add('format 1', 'a')).toBe(1);
  expect(await add('format 1', 'b')).toBeUndefined();
  expect(await add('format 2', 'c')).toBe(2);
  expect(goldenHomes(folder).map(({ content }) => content)).toEqual(['a', 'c']);
  await rm(join(folder, '2.json'));
  await expect(add('format 3', 'd')).rejects.toThrow(/EEXIST/);
  expect(readdirSync(goldenFolder).length).toBe(2 * all.length);
});

it.each(newer.filter(([name]) => /^repo.*(?:controller\.db|pins\.log|charter\.jws)$/.test(name)))(
  'a check of %s, %s, says that it is newer, and not that it is damaged',
  async (name, _, change, says) => {
    const dir = await copyOf(newest);
    await change(join(dir, name));
    const folder = join(dir, 'repo', '.quorate');
    const checked = checkHome({ role: 'controller', folder, signal: new AbortController().signal });
    const message = expect.stringMatching(says);
    await expect(checked).rejects.toMatchObject({ code: 'HOME_NEWER', message });
    await expect(checked).rejects.toThrow(join(dir, name));
  },
);

describe('a file of a newer version is refused by its name, and not touched:', () => {
  it.each(newer)('%s, %s', (...row) => isRefused(row));
});
