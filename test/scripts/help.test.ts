import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';

const run = (file: string, ...args: string[]) =>
  spawnSync(process.execPath, [file, ...args], { encoding: 'utf8' });

it.each(['test/cells/main.ts', 'test/chaos/faults/main.ts', 'test/mutate/main.ts', 'simulations/main.ts'])(
  '%s --help prints its usage and does nothing else',
  (file) => {
    const { status, stdout, stderr } = run(file, '--help');
    expect([status, stdout.slice(0, 14), stderr]).toEqual([0, 'usage: npm run', '']);
  },
);

it('npm run mutate takes no revision that is not there', () => {
  const { status, stderr } = run('test/mutate/main.ts', '--list', '--commit', 'absent');
  expect([status, stderr]).toEqual([2, expect.stringContaining('mutate: --commit takes a revision')]);
});
