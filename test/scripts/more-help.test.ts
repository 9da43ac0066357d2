import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ending, folder } from '../cli/support.ts';

const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));

/** Where a program is too old, and no package can be installed: a script that looks for its programs says so. */
const PATH = folder();
writeFileSync(join(PATH, 'bwrap'), '#!/bin/sh\necho bubblewrap 0.1\n', { mode: 0o755 });

const run = (file: string, ...args: string[]) => runAs(undefined, file, ...args);
/** As npm runs the script of that name. */
const runAs = (npm_lifecycle_event: string | undefined, file: string, ...args: string[]) =>
  ending(spawn(process.execPath, [file, ...args], { env: { ...process.env, PATH, npm_lifecycle_event } }));

it.concurrent.each(['bench', 'cells', 'chaos', 'mutate', 'pages', 'soak'])(
  'npm run %s -- --help prints its usage and does nothing else',
  async (name) => {
    const [, file = '', ...args] = scripts[name].split(' ');
    const { code, out, err } = await run(file, ...args, '--help');
    expect([code, out.slice(0, 14), err]).toEqual([0, 'usage: npm run', '']);
  },
);

it.concurrent.each(['bench', 'cells', 'chaos', 'pages', 'soak'])(
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

it.concurrent.each(['test', 'test:long', 'test:all'])(
  'npm run %s brings programs, and with a wrong option none',
  async (name) => {
    const [, file = '', ...args] = scripts[name].split(' ');
    const wrong = await runAs(name, file, ...args, '--nope');
    expect([wrong.code, wrong.err.includes('Unknown option `--nope`')]).toEqual([1, true]);
    expect(wrong.out + wrong.err).not.toContain('bubblewrap');
    const right = await runAs(name, file, ...args);
    expect([right.code, right.err]).toEqual([3, expect.stringMatching(/^setup: \w+ needs these Debian/)]);
  },
);
