import { spawnSync } from 'node:child_process';
import { mkdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { folder } from '../cli/support.ts';
import { folderName, isLeft } from '../support/temporary.ts';

it('a folder of a run that was killed is left, and one of another container after a day', () => {
  const { pid: gone } = spawnSync('true');
  const parent = folder();
  const made = (name: string) => {
    mkdirSync(join(parent, name));
    return isLeft(parent, name);
  };
  const elsewhere = `q${gone}-elsewhere`;
  const own = folderName(process.pid);
  expect([folderName(gone), own, elsewhere, `q${gone}`, 'other'].map(made)).toEqual([
    true,
    ...[false, false, false, false],
  ]);
  const before = new Date(Date.now() - 25 * 3_600_000);
  for (const name of [elsewhere, own]) utimesSync(join(parent, name), before, before);
  expect([elsewhere, own].map((name) => isLeft(parent, name))).toEqual([true, false]);
});
