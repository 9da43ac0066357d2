import { appendFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { controllerNodeLimits } from '../../../src/controller/node/limits.ts';
import { type LogPages, openLogPages } from '../../../src/controller/node/log-pages.ts';
import { folder } from '../../support/code-and-folder.ts';
import { withLimits } from '../../support/with-limits.ts';

const lease = 'a'.repeat(64);
let file: string;
let pages: LogPages;

beforeEach(async () => {
  const dir = await folder();
  file = join(dir, `${lease}.log`);
  pages = openLogPages(dir);
});

const lines = (from: number, count: number) => Array.from({ length: count }, (_, n) => `line ${from + n}`);
const text = (from: number, count: number) =>
  lines(from, count)
    .map((line) => `${line}\n`)
    .join('');

it('a page has the lines that are asked for, wherever they begin, and complete ones only', async () => {
  await writeFile(file, `${text(1, 1_200)}half a line`);
  for (const from of [1, 2, 499, 500, 501, 502, 1_000, 1_001, 1_200])
    expect(await pages.page(lease, from, 3)).toMatchObject({
      ...{ from, count: 1_200, lines: lines(from, Math.min(3, 1_201 - from)) },
    });
  for (const from of [1_201, 1_501]) expect((await pages.page(lease, from, 3)).lines).toEqual([]);
  expect((await pages.page(lease, 1, 0)).lines).toEqual([]);
  const { version } = await pages.page(lease, 1, 1);
  await appendFile(file, `\n${text(1_202, 2)}`);
  const grown = await pages.page(lease, 1_200, 10);
  expect(grown).toMatchObject({
    count: 1_203,
    version,
    lines: ['line 1200', 'half a line', ...lines(1_202, 2)],
  });
  await writeFile(file, text(1, 1));
  const anew = await pages.page(lease, 1, 10);
  expect(anew).toMatchObject({ count: 1, lines: ['line 1'] });
  expect(anew.version).not.toBe(version);
});

it('lines that are longer than what is read at once are whole', async () => {
  const long = 'x'.repeat(200_000);
  await writeFile(file, `one\n${long}\nthree\n`);
  expect((await pages.page(lease, 1, 9)).lines).toEqual(['one', long, 'three']);
  expect((await pages.page(lease, 3, 9)).lines).toEqual(['three']);
});

it('a search finds as many lines as are asked for, and says where to go on', async () => {
  const { signal } = new AbortController();
  await writeFile(file, text(1, 30));
  const looked: number[] = [];
  const search = (wanted: string, from: number, max: number) =>
    pages.search(lease, wanted, {
      from,
      max,
      chars: 1e9,
      signal,
      looked: async ({ lines: count }) => void looked.push(count),
    });
  expect(await search('LINE 2', 1, 3)).toEqual({
    found: [2, 20, 21].map((line) => ({ line, text: `line ${line}` })),
    next: 22,
  });
  expect(await search('line 2', 22, 8)).toMatchObject({ found: { length: 8 }, next: undefined });
  expect(looked).toEqual([9]);
  const stop = AbortSignal.abort(new Error('enough'));
  await expect(pages.search(lease, 'x', { from: 1, max: 1, chars: 1e9, signal: stop })).rejects.toThrow(
    'enough',
  );
});

it('a search ends once it has so many characters, and is charged for no piece before the line where it begins', async () => {
  await writeFile(file, text(1, 3));
  const chars = 2 * 'line 1'.length;
  const { found, next } = await pages.search(lease, 'line', { from: 1, max: 9, chars });
  expect([found.map(({ line }) => line), next]).toEqual([[1, 2], 3]);
  await writeFile(file, `${'x'.repeat(1_000)}\n`.repeat(300));
  const looked: number[] = [];
  await pages.search(lease, 'y', {
    ...{ from: 250, max: 9, chars: 9 },
    looked: async ({ lines: count }) => void looked.push(count),
  });
  expect(looked.every((count) => count > 0)).toBe(true);
  expect(looked.reduce((sum, count) => sum + count, 0)).toBe(51);
});

it('lines are counted once where a piece of the file ends with what a longer one had', async () => {
  const count = 256 * 1024 + 10;
  await writeFile(file, '\n'.repeat(count));
  expect((await pages.page(lease, 1, 1)).count).toBe(count);
});

it('the log that was asked for longest ago is read anew, once there are more than a number of them', async () => {
  withLimits(controllerNodeLimits, { logIndexesMax: 2 });
  const [a, b, c] = ['a', 'b', 'c'].map((name) => name.repeat(64)) as [string, string, string];
  for (const name of [b, c]) await writeFile(join(dirname(file), `${name}.log`), text(1, 1));
  await writeFile(file, text(1, 1));
  const version = async (which: string) => (await pages.page(which, 1, 1)).version;
  const [first, second] = [await version(a), await version(b)];
  expect(await version(a)).toBe(first);
  await version(c);
  expect([(await version(a)) === first, (await version(b)) === second]).toEqual([true, false]);
});

it('there is none of what is no lease, and of one without a log', async () => {
  for (const which of ['b'.repeat(64), '../a', 'A'.repeat(64)])
    expect(await pages.page(which, 1, 9)).toMatchObject({ lines: [], count: 0 });
  await writeFile(file, '');
  await expect(openLogPages(file).page(lease, 1, 9)).rejects.toMatchObject({ code: 'ENOTDIR' });
  expect(await pages.search('b'.repeat(64), 'x', { from: 1, max: 1 } as never)).toMatchObject({ found: [] });
});

it('many may ask at once for a log that grows, and each line is counted once', async () => {
  await writeFile(file, text(1, 5_000));
  const counts = await Promise.all(Array.from({ length: 10 }, () => pages.page(lease, 4_999, 9)));
  for (const { count, lines: found } of counts)
    expect([count, found]).toEqual([5_000, ['line 4999', 'line 5000']]);
});
