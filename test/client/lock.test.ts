import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { addToLock, checkLocks, completeLocks, locksOfJobs } from '../../src/client/lock.ts';
import { quorateLock, writeQuorateLock } from '../../src/protocol/lock-formats/index.ts';
import { dependencyLimits } from '../../src/protocol/lock-formats/limits.ts';
import { npmProject } from '../dependencies/registry.ts';
import { codeOf, folder } from '../support/code-and-folder.ts';
import { withLimits } from '../support/with-limits.ts';

it('lock files of jobs are those that the job file names, each once and in order', async () => {
  const dir = await folder();
  const locks = () => locksOfJobs(dir);
  expect(await codeOf(locks)).toBe('JOBFILE_NOT_FOUND');
  const job = (name: string, ...dependencies: string[]) =>
    `  ${name}: {run: [make]${dependencies.length > 0 ? `, dependencies: [${dependencies.join(', ')}]` : ''}}\n`;
  await writeFile(join(dir, 'quorate.yml'), `jobs:\n${job('a')}`);
  expect(await codeOf(locks)).toBe('LOCK_NOT_FOUND');
  await writeFile(
    join(dir, 'quorate.yaml'),
    `jobs:\n${job('a', 'package-lock.json', 'Cargo.lock')}${job('b', 'Cargo.lock')}${job('c')}`,
  );
  expect(await locks()).toEqual(['Cargo.lock', 'package-lock.json']);
});

it('a lock file has as many bytes as there may be', async () => {
  const dir = await folder();
  const { 'package-lock.json': lock = '' } = npmProject('https://registry.example', {});
  await writeFile(join(dir, 'package-lock.json'), lock);
  const check = () => checkLocks(dir, ['package-lock.json']);
  withLimits(dependencyLimits, { lockBytesMax: Buffer.byteLength(lock) });
  expect(await check()).toBe(0);
  withLimits(dependencyLimits, { lockBytesMax: Buffer.byteLength(lock) - 1 });
  expect(await codeOf(check)).toBe('LOCK_TOO_LARGE');
  expect(await codeOf(() => checkLocks(dir, [quorateLock]))).not.toBe('LOCK_TOO_LARGE');
});

it('a quorate.lock is made where there is something to fix, or one already, and never of what is no file', async () => {
  const dir = await folder();
  const options = { env: {}, signal: AbortSignal.timeout(60_000) } as never;
  const complete = async () => (await completeLocks(dir, ['package-lock.json'], options)).text;
  await mkdir(join(dir, 'package-lock.json'));
  expect(await codeOf(complete)).toBe('LOCK_NOT_FOUND');
  const other = await folder();
  const { 'package-lock.json': lock = '' } = npmProject('https://registry.example', {});
  await writeFile(join(other, 'package-lock.json'), lock);
  const text = async () => (await completeLocks(other, ['package-lock.json'], options)).text;
  expect(await text()).toBeUndefined();
  await writeFile(join(other, quorateLock), writeQuorateLock([]));
  expect(await text()).toBe(writeQuorateLock([]));
});

it.each([
  ['ftp://127.0.0.1:9/x', 'x'],
  ['https://127.0.0.1:9/x', '../x'],
])('the file %s as %s is refused before it is fetched', async (url, name) => {
  const dir = await folder();
  const options = { env: {}, signal: AbortSignal.timeout(60_000) } as never;
  expect(await codeOf(() => addToLock(dir, { url, name }, options))).toMatch(/^LOCK_/);
});
