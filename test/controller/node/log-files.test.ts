import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { controllerNodeLimits } from '../../../src/controller/node/limits.ts';
import { openLogFiles } from '../../../src/controller/node/log-files.ts';
import { notReceivedNote } from '../../../src/protocol/base/log-notes.ts';
import { quietFlag } from '../../support/program.ts';
import { withLimits } from '../../support/with-limits.ts';

async function textOf(source: AsyncIterable<string>): Promise<string> {
  let all = '';
  for await (const text of source) all += text;
  return all;
}

it('a log is read back, one that is not there is empty, and one that cannot be read is a failure', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'quorate-logs-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const files = openLogFiles(join(dir, 'logs'));
  const file = await files.create('a');
  file.write('one\n');
  file.write('two\n');
  await file.end();
  expect(await textOf(files.read('a'))).toBe('one\ntwo\n');
  expect(await textOf(files.read('b'))).toBe('');
  mkdirSync(join(dir, 'logs', 'c.log'));
  await expect(textOf(files.read('c'))).rejects.toMatchObject({ code: 'EISDIR' });
  expect((await files.bytes('a', 8))?.toString()).toBe('one\ntwo\n');
  expect(await files.bytes('a', 7)).toBeUndefined();
  expect(await files.bytes('b', 7)).toBeUndefined();
  const nowhere = openLogFiles(join(dir, 'logs', 'a.log', 'logs'));
  for (const _ of [1, 2]) await expect(nowhere.create('a')).rejects.toMatchObject({ code: 'ENOTDIR' });
});

it('a log that is cut says so wherever the pieces end in which it is read', async () => {
  withLimits(controllerNodeLimits, { logReadBytes: 64 });
  const dir = mkdtempSync(join(tmpdir(), 'quorate-logs-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const files = openLogFiles(dir);
  const file = await files.create('a');
  file.write(`${'x'.repeat(39)}\n${notReceivedNote}\n`);
  await file.end();
  expect(await files.isCut('a')).toBe(true);
});

describe('logs that are removed', () => {
  const { signal } = new AbortController();

  function folder() {
    const dir = mkdtempSync(join(tmpdir(), 'quorate-logs-'));
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
    return { dir, files: openLogFiles(dir), names: () => readdirSync(dir).sort() };
  }

  /** Logs of four bytes with their times, the first the oldest. */
  async function three() {
    const of = folder();
    for (const [n, lease] of ['c', 'a', 'b'].entries()) {
      for (const kind of ['log', 'times']) {
        const file = join(of.dir, `${lease}.${kind}`);
        writeFileSync(file, 'two\n');
        utimesSync(file, 1_000 + n, 1_000 + n);
      }
    }
    return of;
  }

  it('are what a crash left of a replacement, and the log stays as it was', async () => {
    const { dir, files, names } = folder();
    writeFileSync(join(dir, 'a.log'), 'one\n');
    const program = fileURLToPath(new URL('log-to-kill.ts', import.meta.url));
    const ended = await new Promise((resolve) =>
      execFile(process.execPath, [quietFlag, program, dir, 'a'], (error) => resolve(error?.signal)),
    );
    expect(ended).toBe('SIGKILL');
    expect(statSync(join(dir, 'a.log.whole')).size).toBeGreaterThan(0);
    expect(await openLogFiles(dir).trim(signal)).toBe(0);
    expect(names()).toEqual(['a.log']);
    expect(await textOf(files.read('a'))).toBe('one\n');
  });

  it.each([
    ['bytes', { logsKeptBytesMax: 16 }],
    ['logs', { logsKeptMax: 2 }],
  ])('are the oldest, with their times, where there are more %s than are kept', async (_, limits) => {
    withLimits(controllerNodeLimits, limits);
    const { dir, files, names } = await three();
    writeFileSync(join(dir, 'other'), 'of its owner');
    expect(await files.trim(signal)).toBe(1);
    expect(names()).toEqual(['a.log', 'a.times', 'b.log', 'b.times', 'other']);
    expect(await files.trim(signal)).toBe(0);
  });

  it('are the long ones where there are more bytes, and no other operator loses a short one by them', async () => {
    withLimits(controllerNodeLimits, { logsKeptMax: 10, logsKeptBytesMax: 400 });
    const { dir, files, names } = folder();
    for (const [n, bytes] of [40, 90, 200, 200, 41].entries()) {
      const file = join(dir, `${n}.log`);
      writeFileSync(file, 'x'.repeat(bytes));
      utimesSync(file, 1_000 + n, 1_000 + n);
    }
    expect(await files.trim(signal)).toBe(2);
    expect(names()).toEqual(['0.log', '3.log', '4.log']);
  });

  it('are none that is being written, and none where the controller ends', async () => {
    withLimits(controllerNodeLimits, { logsKeptMax: 0 });
    const { files, names } = await three();
    expect(await files.trim(AbortSignal.abort())).toBe(0);
    const file = await files.create('c');
    file.write('x\n');
    const more = Promise.withResolvers<void>();
    const replaced = files.replace(
      'b',
      (async function* () {
        yield Buffer.from('x\n');
        await more.promise;
      })(),
    );
    expect(await files.trim(signal)).toBe(1);
    expect(names().filter((name) => name !== 'b.log.whole')).toEqual([
      'b.log',
      'b.times',
      'c.log',
      'c.times',
    ]);
    more.resolve();
    await Promise.all([replaced, file.end()]);
    expect(await textOf(files.read('b'))).toBe('x\n');
    await expect.poll(() => files.trim(signal)).toBe(2);
    expect(names()).toEqual([]);
  });

  it('are none of a lease whose log was begun again, until all of them are closed', async () => {
    withLimits(controllerNodeLimits, { logsKeptMax: 0 });
    const { files, names } = folder();
    const first = await files.create('a');
    const again = await files.create('a');
    await first.end();
    again.write('x\n');
    await files.replace('a', (async function* () {})());
    expect(await files.trim(signal)).toBe(0);
    expect(names()).toEqual(['a.log']);
    await again.end();
    await expect.poll(() => files.trim(signal)).toBe(1);
  });

  it('are none where there is no folder', async () => {
    expect(await openLogFiles('/nonexistent/logs').trim(signal)).toBe(0);
  });
});
