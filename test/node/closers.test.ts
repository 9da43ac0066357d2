import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Closers } from '../../src/node/closers.ts';
import { readOptional, writeAtomic } from '../../src/node/files.ts';
import { folder } from '../support/code-and-folder.ts';

/** Takes longer to be synced than a turn of the event loop. */
const long = 'x'.repeat(4 * 2 ** 20);

it('ends what is open in reverse order, also what is opened meanwhile, and each call ends after that', async () => {
  const closers = new Closers(await folder());
  const done: string[] = [];
  const slow = Promise.withResolvers<void>();
  closers.push(() => done.push('first'));
  closers.push(async () => {
    await slow.promise;
    closers.push(() => done.push('late'));
    done.push('second');
  });
  const all = [
    closers.close().then(() => done.push('ended')),
    closers.close().then(() => done.push('again')),
  ];
  await new Promise(setImmediate);
  expect(done).toEqual([]);
  slow.resolve();
  await Promise.all(all);
  expect(done).toEqual(['second', 'late', 'first', 'ended', 'again']);
  closers.push(() => done.push('after'));
  await closers.close();
  expect(done.at(-1)).toBe('after');
});

it('goes on with the next call where one thing cannot be closed', async () => {
  const closers = new Closers(await folder());
  const done: string[] = [];
  closers.push(() => done.push('first'));
  closers.push(() => Promise.reject(new Error('no')));
  await expect(closers.close()).rejects.toThrow('no');
  await closers.close();
  expect(done).toEqual(['first']);
});

it('waits for writes into the folder and below it, those that follow others too', async () => {
  const dir = await folder();
  const [file, below, next] = ['a', 'b/c', 'd'].map((name) => join(dir, name)) as [string, string, string];
  const closers = new Closers(dir);
  closers.push(() => {
    const saved = writeAtomic(file, long).catch(() => {});
    void saved.then(() => {}).then(() => writeAtomic(next, long));
    void writeAtomic(below, long);
  });
  await closers.close();
  const lengths = await Promise.all(
    [file, below, next].map(async (one) => (await readOptional(one))?.length),
  );
  expect(lengths).toEqual([long.length, long.length, long.length]);
});

it('ends also where a write fails', async () => {
  const dir = await folder();
  await writeAtomic(join(dir, 'file'), 'x');
  const closers = new Closers(dir);
  const failed = expect(writeAtomic(join(dir, 'file', 'below'), 'x')).rejects.toMatchObject({
    code: 'HOME_UNWRITABLE',
  });
  await closers.close();
  await failed;
});
