import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openLeafFile } from '../../../src/node/leaf-file.ts';
import { LogCopy } from '../../../src/protocol/sessions/log-copy.ts';
import { LogView } from '../../../src/protocol/trust/index.ts';
import { sleep } from '../../e2e/support/wait.ts';
import { folder } from '../../support/code-and-folder.ts';

const leaf = (n: number): string => `leaf ${n}`;
const log = (length: number): string[] => Array.from({ length }, (_, n) => leaf(n));
const other = (length: number): string[] => log(length).map((text) => `other ${text}`);
/** Answers three leaves at a time, after a while. */
const ask = async (from: number): Promise<string[]> => {
  await sleep(10);
  return log(100).slice(from, from + 3);
};
const notAsked = () => Promise.reject(new Error('not asked'));
/** Leaves; the lines of sums begin with a tab. */
const linesOf = async (file: string) =>
  (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '' && !line.startsWith('\t'));

it('gives as many leaves as are asked for, and holds each once, however many keep them at the same time', async () => {
  const file = join(await folder(), 'log.txt');
  const copy = new LogCopy(openLeafFile(file));
  const sizes = [4, 9, 1, 9, 7];
  const read = async (size: number) => {
    const leaves = await copy.read(size, ask);
    await copy.keep(leaves);
    return leaves.leaves();
  };
  expect(await Promise.all(sizes.map(read))).toEqual(sizes.map(log));
  expect(await linesOf(file)).toEqual(log(9));
});

it('keeps what it was told to: a log that was rewritten is not read again', async () => {
  const file = join(await folder(), 'log.txt');
  await new LogCopy(openLeafFile(file)).keep(LogView.of(log(3)));
  const forged = async (from: number): Promise<string[]> => other(9).slice(from);
  expect((await new LogCopy(openLeafFile(file)).read(4, forged)).leaves()).toEqual([
    ...log(3),
    `other ${leaf(3)}`,
  ]);
  await expect(new LogCopy(openLeafFile(file)).keep(LogView.of(other(4)))).rejects.toMatchObject({
    code: 'LOG_LEAVES_MISMATCH',
  });
  expect(await linesOf(file)).toEqual(log(3));
  // The control: without what was kept, the rewritten log is taken for the only one.
  await new LogCopy(openLeafFile(join(await folder(), 'log.txt'))).keep(LogView.of(other(4)));
});

it('of two stories told at the same time keeps the one it signs first', async () => {
  const copy = new LogCopy(openLeafFile(join(await folder(), 'log.txt')));
  const [one, two] = await Promise.all([
    copy.read(5, ask),
    copy.read(5, async (from) => other(9).slice(from)),
  ]);
  const kept = await Promise.allSettled([copy.keep(one), copy.keep(two)]);
  expect(kept.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  expect((await copy.read(5, notAsked)).leaves()).toEqual(log(5));
});

it('forgets what it was told and did not keep: a lie that did not fit its checkpoint is no harm later', async () => {
  const copy = new LogCopy(openLeafFile(join(await folder(), 'log.txt')));
  await copy.keep(LogView.of(log(2)));
  expect((await copy.read(9, async (from) => other(50).slice(from))).leaves()).toEqual([
    ...log(2),
    ...other(9).slice(2),
  ]);
  expect((await copy.read(9, ask)).leaves()).toEqual(log(9));
});

it('goes on after a crash in the middle of a line', async () => {
  const file = join(await folder(), 'log.txt');
  await writeFile(file, `${log(2).join('\n')}\nlea`);
  const copy = new LogCopy(openLeafFile(file));
  await copy.keep(await copy.read(5, ask));
  expect((await new LogCopy(openLeafFile(file)).read(5, notAsked)).leaves()).toEqual(log(5));
});

it('goes on after a disk that took half a line', async () => {
  const dir = join(await folder(), 'home');
  const file = join(dir, 'log.txt');
  const copy = new LogCopy(openLeafFile(file));
  await expect(copy.keep(LogView.of(log(2)))).rejects.toMatchObject({ code: 'HOME_UNWRITABLE' });
  // Left behind by such a disk.
  await mkdir(dir);
  await writeFile(file, 'leaf 0\nlea');
  await copy.keep(LogView.of(log(3)));
  expect(await linesOf(file)).toEqual(log(3));
});

it('says when the log is shorter than its checkpoint, and asks again the next time', async () => {
  const copy = new LogCopy(openLeafFile(join(await folder(), 'log.txt')));
  await expect(copy.read(5, async (from) => log(2).slice(from))).rejects.toMatchObject({
    code: 'LOG_UNREADABLE',
  });
  expect((await copy.read(5, ask)).leaves()).toEqual(log(5));
});
