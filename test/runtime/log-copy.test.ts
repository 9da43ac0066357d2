import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { LogCopy } from '../../src/runtime/log-copy.ts';
import { sleep } from '../e2e/support/wait.ts';
import { folder } from './support.ts';

const leaf = (n: number): string => `leaf ${n}`;
const log = (length: number): string[] => Array.from({ length }, (_, n) => leaf(n));
/** Answers three leaves at a time, after a while. */
const ask = async (from: number): Promise<string[]> => {
  await sleep(10);
  return log(100).slice(from, from + 3);
};

it('holds each leaf once, however many ask at the same time', async () => {
  const file = join(await folder(), 'log.txt');
  const copy = new LogCopy(file);
  const sizes = [4, 9, 1, 9, 7];
  expect(await Promise.all(sizes.map((size) => copy.read(size, ask)))).toEqual(sizes.map(log));
  expect((await readFile(file, 'utf8')).split('\n').slice(0, -1)).toEqual(log(9));
});

it('keeps what it saw: a log that was rewritten is not read again', async () => {
  const file = join(await folder(), 'log.txt');
  await new LogCopy(file).read(3, ask);
  const forged = async (from: number): Promise<string[]> =>
    log(9)
      .map((text) => `other ${text}`)
      .slice(from);
  expect(await new LogCopy(file).read(4, forged)).toEqual([...log(3), `other ${leaf(3)}`]);
});

it('goes on after a crash in the middle of a line', async () => {
  const file = join(await folder(), 'log.txt');
  await writeFile(file, `${log(2).join('\n')}\nlea`);
  expect(await new LogCopy(file).read(5, ask)).toEqual(log(5));
  expect(await new LogCopy(file).read(5, () => Promise.reject(new Error('not asked')))).toEqual(log(5));
});

it('says when the log is shorter than its checkpoint, and asks again the next time', async () => {
  const copy = new LogCopy(join(await folder(), 'log.txt'));
  await expect(copy.read(5, async (from) => log(2).slice(from))).rejects.toMatchObject({
    code: 'LOG_UNREADABLE',
  });
  expect(await copy.read(5, ask)).toEqual(log(5));
});
