import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { shapesOf } from '../../src/cli/command-shapes.ts';
import { manPages } from '../../src/cli/man-pages.ts';
import { createProgram } from '../../src/cli/program.ts';
import { version } from '../../src/program.ts';

const folder = join(import.meta.dirname, '..', '..', 'man');

it('man pages are as the commands are (renew them with: node scripts/run.js scripts/man-pages.ts --write)', () => {
  const pages = manPages(shapesOf(createProgram(new AbortController().signal, () => {})), version());
  expect(readdirSync(folder).sort()).toEqual([...pages.keys()].sort());
  for (const [name, text] of pages)
    expect(readFileSync(join(folder, name), 'utf8') === text, name).toBe(true);
});

it('a value that is needed is shown whole, also where a part of it is not', () => {
  const page = readFileSync(join(folder, 'quorate-controller.1'), 'utf8');
  expect(page).toContain('\\fB\\-\\-metrics\\fR \\fI[host:]port\\fR\n');
});

it('groff, where there is one, finds nothing wrong in them', () => {
  const files = readdirSync(folder).map((name) => join(folder, name));
  try {
    execFileSync('groff', ['--version'], { stdio: 'ignore' });
  } catch {
    return;
  }
  const words = ['-c', 'groff -man -Tutf8 -ww "$@" 2>&1 >/dev/null', 'sh', ...files];
  expect(execFileSync('sh', words, { encoding: 'utf8', timeout: 60_000 })).toBe('');
});
