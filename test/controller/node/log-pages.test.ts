import { appendFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { controllerNodeLimits } from '../../../src/controller/node/limits.ts';
import { type LogPages, openLogPages } from '../../../src/controller/node/log-pages.ts';
import { leftOutNote, limitNote, notReceivedNote } from '../../../src/protocol/base/log-notes.ts';
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
      from,
      lines: lines(from, Math.min(3, 1_201 - from)),
    });
  for (const from of [1_201, 1_501]) expect((await pages.page(lease, from, 3)).lines).toEqual([]);
  expect(await pages.head(lease)).toEqual({ count: 1_200, steps: [], times: new Map(), timesBy: 'worker' });
  const { version } = await pages.page(lease, 1, 1);
  await appendFile(file, `\n${text(1_202, 2)}`);
  const grown = await pages.page(lease, 1_200, 10);
  expect(grown).toMatchObject({
    version,
    lines: ['line 1200', 'half a line', ...lines(1_202, 2)],
  });
  expect((await pages.head(lease)).count).toBe(1_203);
  await writeFile(file, text(1, 1));
  const anew = await pages.page(lease, 1, 10);
  expect(anew).toMatchObject({ lines: ['line 1'] });
  expect((await pages.head(lease)).count).toBe(1);
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
  const found = async (...asked: Parameters<typeof search>) => {
    const { found: all, next } = await search(...asked);
    return { lines: all.flatMap(({ line, isNear }) => (isNear ? [] : [line])), next };
  };
  expect(await found('LINE 2', 1, 3)).toEqual({ lines: [2, 20, 21], next: 22 });
  expect(await found('line 2', 22, 8)).toMatchObject({ lines: { length: 8 }, next: undefined });
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
    from: 250,
    max: 9,
    chars: 9,
    looked: async ({ lines: count }) => void looked.push(count),
  });
  expect(looked.every((count) => count > 0)).toBe(true);
  expect(looked.reduce((sum, count) => sum + count, 0)).toBe(51);
});

it('lines are counted once where a piece of the file ends with what a longer one had', async () => {
  const count = 256 * 1024 + 10;
  await writeFile(file, '\n'.repeat(count));
  expect((await pages.head(lease)).count).toBe(count);
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
    expect([
      (await pages.page(which, 1, 9)).lines,
      await pages.head(which),
      await pages.failure(which),
    ]).toEqual([...[[], { count: 0, steps: [], times: new Map(), timesBy: 'worker' }, undefined]]);
  await writeFile(file, '');
  await expect(openLogPages(file).page(lease, 1, 9)).rejects.toMatchObject({ code: 'ENOTDIR' });
  expect(await pages.search('b'.repeat(64), 'x', { from: 1, max: 1 } as never)).toMatchObject({ found: [] });
});

it('many may ask at once for a log that grows, and each line is counted once', async () => {
  await writeFile(file, text(1, 5_000));
  const got = await Promise.all(
    Array.from({ length: 10 }, async () => [
      (await pages.head(lease)).count,
      (await pages.page(lease, 4_999, 9)).lines,
    ]),
  );
  for (const one of got) expect(one).toEqual([5_000, ['line 4999', 'line 5000']]);
});

const begun = (n: number, of: number) => `quorate: step ${n} of ${of}: make ${n}\n`;

it('the steps of a log are found wherever pieces of the file end, as far as it has grown', async () => {
  // Lines of 64 bytes: the second step begins two bytes before the end of a piece.
  const line = `${'x'.repeat(63)}\n`;
  const before = `${begun(1, 3)}${line}`;
  const fill = 256 * 1024 - 2 - before.length;
  const filled = `${before}${line.repeat(Math.floor(fill / 64))}${'x'.repeat((fill % 64) - 1)}\n`;
  expect(filled.length).toBe(256 * 1024 - 2);
  await writeFile(file, `${filled}${begun(2, 3).slice(0, 20)}`);
  expect((await pages.head(lease)).steps).toMatchObject([{ n: 1, line: 1, name: 'make 1' }]);
  await appendFile(file, `${begun(2, 3).slice(20)}${line}text without an end${begun(3, 3)}`);
  await appendFile(file, 'quorate: step 3 of 3 failed: exit 7 (make 3)\nquorate: step 1 of 3: again\n');
  const second = filled.split('\n').length;
  const { steps, count } = await pages.head(lease);
  expect(steps).toEqual([
    { n: 1, of: 3, name: 'make 1', line: 1 },
    { n: 2, of: 3, name: 'make 2', line: second },
    { n: 3, of: 3, name: 'make 3', line: second + 2, failed: { code: 7, allowed: false, line: second + 3 } },
  ]);
  expect(count).toBe(second + 4);
  await writeFile(file, begun(1, 1));
  expect(await pages.head(lease)).toMatchObject({ count: 1, steps: [{ of: 1 }] });
});

it('a log that is cut says so, and where; one that is put in its place is read anew, however long it is', async () => {
  await writeFile(file, `one\n${limitNote} is a note\ntwo${leftOutNote(7)}\n${notReceivedNote}\n`);
  expect((await pages.head(lease)).cut).toEqual({ why: 'limit', line: 2 });
  await writeFile(file, `one\nquorate: two${leftOutNote(7)}\n${notReceivedNote}\n`);
  const { version } = await pages.page(lease, 1, 1);
  await writeFile(`${file}.new`, text(1, 900));
  await rename(`${file}.new`, file);
  expect(await pages.head(lease)).toEqual({ count: 900, steps: [], times: new Map(), timesBy: 'worker' });
  expect((await pages.page(lease, 501, 1)).lines).toEqual(['line 501']);
  expect((await pages.page(lease, 1, 1)).version).not.toBe(version);
});

it('how a build failed is read from the end of its log', async () => {
  const { logFailureBytes, logFailureLines } = controllerNodeLimits;
  const failed = 'quorate: step 2 of 3 failed: exit 7 (unit tests)\n';
  const end = 'quorate: step 1 of 3 failed (allowed): exit 1\nquorate: the end\n';
  await writeFile(file, `${text(1, 30)}${failed}${end}`);
  expect(await pages.failure(lease)).toEqual({
    step: { n: 2, code: 7, name: 'unit tests' },
    lines: lines(31 - logFailureLines, logFailureLines),
  });
  await writeFile(file, `${failed}${text(1, logFailureBytes / 6)}`);
  const last = logFailureBytes / 6;
  const tail = {
    lines: lines(last + 1 - logFailureLines, logFailureLines).map((line) => line.replace('.', '')),
  };
  expect((await pages.failure(lease))?.step).toBeUndefined();
  expect((await pages.failure(lease))?.lines).toHaveLength(tail.lines.length);
  await writeFile(file, `one\n${'x'.repeat(logFailureBytes)}`);
  expect(await pages.failure(lease)).toBeUndefined();
  // The line that begins before what is read is not whole.
  await writeFile(file, `${'x'.repeat(logFailureBytes)}\nlast\n`);
  expect(await pages.failure(lease)).toEqual({ lines: ['last'] });
});

it('lines that are found have those beside them, each once, and they count as characters', async () => {
  await writeFile(file, text(1, 30));
  const search = async (wanted: string, from = 1, chars = 1e9) => {
    const { found, next } = await pages.search(lease, wanted, { from, max: 2, chars });
    return [found.map(({ line, isNear }) => (isNear ? -line : line)), next];
  };
  expect(await search('line 1', 9)).toEqual([[-9, 10, 11], 12]);
  expect(await search('line 30')).toEqual([[-28, -29, 30], undefined]);
  expect(await search('line 2', 1, 1)).toEqual([[-1, 2, -3, -4], 20]);
});

it('times of lines are there once their file is, as far as it can be read', async () => {
  await writeFile(file, text(1, 30));
  expect((await pages.head(lease)).times.size).toBe(0);
  await writeFile(file.replace(/log$/, 'times'), '1+0 4+2000 x 5+1');
  const times = new Map([
    [1, 0],
    [5, 2_000],
  ]);
  expect((await pages.head(lease)).times).toEqual(times);
  expect((await pages.page(lease, 1, 1)).times).toEqual(times);
});
