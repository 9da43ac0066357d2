import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ending } from '../cli/support.ts';

const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));

const run = (file: string, ...args: string[]) => ending(spawn(process.execPath, [file, ...args]));

it.concurrent.each(['bench', 'cells', 'chaos', 'mutate', 'pages', 'soak'])(
  'npm run %s -- --help prints its usage and does nothing else',
  async (name) => {
    const [, file = '', ...args] = scripts[name].split(' ');
    const { code, out, err } = await run(file, ...args, '--help');
    expect([code, out.slice(0, 14), err]).toEqual([0, 'usage: npm run', '']);
  },
);

it.concurrent.each(['bench', 'pages', 'soak'])(
  'npm run %s -- --nope tells its usage, and no stack',
  async (name) => {
    const [, file = '', ...args] = scripts[name].split(' ');
    const { code, out, err } = await run(file, ...args, '--nope');
    expect([code, out, err]).toEqual([
      2,
      '',
      expect.stringMatching(/^(?:Unknown option '--nope'\n)?usage: npm run/),
    ]);
  },
);
