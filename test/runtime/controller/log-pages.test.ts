import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { type LogPages, openLogPages } from '../../../src/runtime/controller/log-pages.ts';
import { folder } from '../support.ts';

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
  expect((await pages.page(lease, 1_201, 3)).lines).toEqual([]);
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

it('what is found are as many lines as are asked for, and where to go on', async () => {
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

it('there is none of what is no lease, and of one without a log', async () => {
  for (const which of ['b'.repeat(64), '../a', 'A'.repeat(64)])
    expect(await pages.page(which, 1, 9)).toMatchObject({ lines: [], count: 0 });
  expect(await pages.search('b'.repeat(64), 'x', { from: 1, max: 1 } as never)).toMatchObject({ found: [] });
});

it('many may ask at once for a log that grows, and each line is counted once', async () => {
  await writeFile(file, text(1, 5_000));
  const counts = await Promise.all(Array.from({ length: 10 }, () => pages.page(lease, 4_999, 9)));
  for (const { count, lines: found } of counts)
    expect([count, found]).toEqual([5_000, ['line 4999', 'line 5000']]);
});
