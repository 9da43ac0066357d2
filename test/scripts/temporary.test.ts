import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { folder } from '../cli/support.ts';
import { folderName, isLeft, removeAtEnd } from '../support/temporary.ts';

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

const supported = join(import.meta.dirname, '..', 'support', 'temporary.ts');

it.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGKILL'] as const)(
  'the folder of a run that %s ends is removed, once its last process is gone',
  async (signal) => {
    const dir = join(folder(), 'run');
    mkdirSync(dir);
    const run = `import { spawn } from 'node:child_process';
      import { ${removeAtEnd.name} } from ${JSON.stringify(supported)};
      ${removeAtEnd.name}(${JSON.stringify(dir)});
      const script = 'echo begun; for n in 1 2 3 4; do mkdir -p "$TMPDIR/late"; sleep 0.1; done';
      const env = { ...process.env, TMPDIR: ${JSON.stringify(dir)} };
      spawn('sh', ['-c', script], { env, detached: true, stdio: 'inherit' });`;
    const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', run];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
    await once(child.stdout, 'data');
    // The whole group, as a terminal does.
    process.kill(-(child.pid ?? Number.NaN), signal);
    // Its output ends with the process that it left behind.
    await once(child, 'close');
    await expect.poll(() => existsSync(dir)).toBe(false);
  },
);
