import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));

const run = (file: string, ...args: string[]) =>
  spawnSync(process.execPath, [file, ...args], { encoding: 'utf8' });

it.each(['cells', 'chaos', 'mutate', 'simulate'])(
  'npm run %s -- --help prints its usage and does nothing else',
  (name) => {
    const [, file = '', ...args] = scripts[name].split(' ');
    const { status, stdout, stderr } = run(file, ...args, '--help');
    expect([status, stdout.slice(0, 14), stderr]).toEqual([0, 'usage: npm run', '']);
  },
);

it('npm run mutate takes no revision that is not there', () => {
  const { status, stderr } = run('test/mutate/main.ts', '--list', '--commit', 'absent');
  expect([status, stderr]).toEqual([2, expect.stringContaining('mutate: --commit takes a revision')]);
});
