import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { makeScratch } from '../../src/node/scratch.ts';

it('is swept by the next one when its process was killed, and by nobody while that runs', async () => {
  const mine = await makeScratch('image');
  const folder = dirname(mine);
  onTestFinished(() => rm(mine, { recursive: true, force: true }));
  const { pid } = spawnSync('true');
  const named = (of: string) => join(folder, basename(mine).replace(/-\d+-\w{6}$/, `-${of}-abcdef`));
  const left = named(String(pid));
  await mkdir(join(left, 'store'), { recursive: true });
  await writeFile(join(left, 'store', 'pack'), 'much');
  const elsewhere = left.replace(/image-\d+-/, 'image-1-');
  await mkdir(elsewhere);
  onTestFinished(() => rm(elsewhere, { recursive: true, force: true }));
  // Of somebody who wants none to be removed; it comes before those.
  const dangling = left.replace(/abcdef$/, 'aaaaaa');
  await symlink('/nonexistent', dangling);
  onTestFinished(() => rm(dangling, { force: true }));
  const next = await makeScratch('try');
  onTestFinished(() => rm(next, { recursive: true, force: true }));
  expect([left, mine, elsewhere].map((path) => existsSync(path))).toEqual([false, true, true]);
});
