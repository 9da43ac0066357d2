import { setInterval as every } from 'node:timers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readLocksInThread } from '../../src/dependencies/index.ts';
import { threadLimits } from '../../src/dependencies/limits.ts';
import { readLocks } from '../../src/protocol/lock-formats/index.ts';
// The thread loads these two itself: a test that runs them has to name them.
import '../../src/dependencies/thread/answer.ts';
import '../../src/dependencies/thread/lock-thread.ts';
import { askThread } from '../../src/dependencies/thread/ask.ts';
import { withLimits } from '../support/with-limits.ts';

const signal = AbortSignal.timeout(300_000);
const sha512 = `sha512-${'A'.repeat(86)}==`;
/** On a busy host. */
const generous = () => withLimits(threadLimits, { seconds: 200 });

const pnpm = (text: string) => ({
  locks: ['pnpm-lock.yaml'],
  files: new Map([['pnpm-lock.yaml', Buffer.from(text)]]),
  arch: 'x86_64' as const,
});

const packages = (count: number): string =>
  [
    `lockfileVersion: '9.0'\npackages:`,
    ...Array.from({ length: count }, (_, n) => `  p${n}@1.0.0:\n    resolution: {integrity: ${sha512}}`),
  ].join('\n');

/** YAML that has to be read whole and is none of a lock. */
const hostile = `a:\n${'- [{}, {}, {}, {}]\n'.repeat(200_000)}`;

describe('lock files in a thread', () => {
  it('are read as without one, errors included', async () => {
    const sources = pnpm(packages(200));
    const entries = readLocks(sources.locks, sources.files, sources.arch);
    expect(entries).toHaveLength(200);
    generous();
    expect(await readLocksInThread(sources, signal)).toEqual(entries);
    const old = pnpm(`lockfileVersion: 5\n${'#'.repeat(20_000)}`);
    await expect(readLocksInThread(old, signal)).rejects.toMatchObject({
      code: 'LOCK_UNSUPPORTED',
      message: expect.stringMatching(/^pnpm-lock.yaml:1: /),
      hint: expect.stringContaining('pnpm 9'),
    });
  });

  it('of strangers leave this one to do its work meanwhile', async () => {
    let beats = 0;
    const timer = every(() => beats++, 5);
    onTestFinished(() => clearInterval(timer));
    generous();
    await readLocksInThread(pnpm(packages(1_000)), signal);
    // Where reading blocks, none of them comes, or one before and one after it.
    expect(beats).toBeGreaterThan(3);
  });

  it('that take too much memory are refused, and the next one is read', async () => {
    withLimits(threadLimits, { seconds: 200, memoryMiB: 32 });
    const [first, second] = [pnpm(hostile), pnpm(packages(200))].map((one) => readLocksInThread(one, signal));
    const ended: string[] = [];
    // One at a time: the memory of several would be that of one many times.
    const both = [first?.catch(() => ended.push('first')), second?.then(() => ended.push('second'))];
    await expect(first).rejects.toMatchObject({
      code: 'LOCK_TOO_LARGE',
      message: expect.stringContaining('32 MiB of memory'),
    });
    expect(await second).toHaveLength(200);
    await Promise.all(both);
    expect(ended).toEqual(['first', 'second']);
  });

  it('that take too much time are refused', async () => {
    withLimits(threadLimits, { seconds: 0.2 });
    await expect(readLocksInThread(pnpm(hostile), signal)).rejects.toMatchObject({
      code: 'LOCK_TOO_LARGE',
      message: expect.stringContaining('0.2 s'),
    });
  });

  it('are left where the caller stops', async () => {
    const stop = new AbortController();
    generous();
    const reading = readLocksInThread(pnpm(hostile), stop.signal);
    const reason = new Error('enough');
    stop.abort(reason);
    await expect(reading).rejects.toBe(reason);
    await expect(readLocksInThread(pnpm(packages(1)), stop.signal)).rejects.toBe(reason);
  });

  const at = (path: string) => JSON.stringify(new URL(`../../src/${path}`, import.meta.url));
  const answering = (work: string) =>
    new URL(
      `data:text/javascript,${encodeURIComponent(
        `const { answerAsked } = await import(${at('dependencies/thread/answer.ts')});
         const { QuorateError } = await import(${at('protocol/base/errors.ts')});
         await answerAsked(${work});`,
      )}`,
    );

  it('answer with what comes of work that takes a while, or with its error', async () => {
    const ask = (work: string) =>
      askThread(answering(work), { a: 2 }, { signal, seconds: 200, memoryMiB: 1024 });
    expect(await ask('async ({ a }) => a + 1')).toBe(3);
    const failing = (error: string) => ask(`async () => { throw ${error}; }`);
    await expect(failing("new QuorateError('LOCK_INVALID', 'bad', { hint: 'do it' })")).rejects.toMatchObject(
      { code: 'LOCK_INVALID', message: 'bad', hint: 'do it' },
    );
    await expect(failing("new Error('plain')")).rejects.toThrow('plain');
  });

  it.each([
    ['that ends without an answer', '', 'the thread ended without an answer'],
    ['that fails before it answers', 'throw new Error("no such module")', 'no such module'],
  ])('%s are an error of it', async (_, script, says) => {
    const thread = new URL(`data:text/javascript,${encodeURIComponent(script)}`);
    await expect(askThread(thread, {}, { signal, seconds: 200, memoryMiB: 1024 })).rejects.toThrow(says);
  });
});
