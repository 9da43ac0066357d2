import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ending } from '../cli/support.ts';

const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));

const run = (file: string, ...args: string[]) => ending(spawn(process.execPath, [file, ...args]));

it.concurrent('npm run simulate -- --help prints its usage and does nothing else', async () => {
  const [, file = '', ...args] = scripts.simulate.split(' ');
  const { code, out, err } = await run(file, ...args, '--help');
  expect([code, out.slice(0, 14), err]).toEqual([0, 'usage: npm run', '']);
});

it.concurrent('npm run mutate takes no revision that is not there', async () => {
  const { code, err } = await run('test/mutate/main.ts', '--list', '--commit', 'absent');
  expect([code, err]).toEqual([2, expect.stringContaining('mutate: --commit takes a revision')]);
});
