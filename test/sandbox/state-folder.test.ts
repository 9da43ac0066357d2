import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { probe } from '../../sandbox/index.ts';
import { scratch } from '../image/support.ts';

it("the folder of a sandbox is nobody else's, whichever tier is the first to come there", async () => {
  // The mode must not depend on the umask: files of a virtual machine are for the account that QEMU gets.
  const before = process.umask(0);
  onTestFinished(() => void process.umask(before));
  const home = join(await scratch(), 'home');
  const enough = probe({ stateDir: home, of: ['vm'], signal: AbortSignal.abort(new Error('enough')) });
  // The folder is there before anything is looked at.
  await expect(enough).rejects.toThrow('enough');
  expect((await stat(home)).mode & 0o777).toBe(0o700);
});
