import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { controllerNodeLimits } from '../../../src/controller/node/limits.ts';
import { openLogFiles } from '../../../src/controller/node/log-files.ts';
import { notReceivedNote } from '../../../src/protocol/base/log-notes.ts';
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
