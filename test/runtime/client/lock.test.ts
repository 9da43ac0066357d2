import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { quorateLock } from '../../../src/core/dependencies/index.ts';
import { dependencyLimits } from '../../../src/core/dependencies/limits.ts';
import { checkLocks, locksOfJobs } from '../../../src/runtime/client/lock.ts';
import { npmProject } from '../../dependencies/registry.ts';
import { withLimits } from '../../support/with-limits.ts';
import { codeOf, folder } from '../support.ts';

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
