// Names the slice of the matrices (test/matrices.ts) that a commit runs: `node scripts/run.js scripts/slice.ts [NUMBER]`
// prints its files, one a line, and says on standard error which of how many it is. NUMBER is by default the time of the
// commit in hours. Exit: 2 wrong use, 3 no commit to take the time of.
import { spawnSync } from 'node:child_process';
import { argv, exit, stderr, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';
import { matrices, slicesOf } from '../test/matrices.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

function git(...args: string[]): string | undefined {
  const { status, stdout: out } = spawnSync('git', ['-C', root, ...args], { encoding: 'utf8' });
  return status === 0 ? out.trim() : undefined;
}

const hour = 3_600;

/** By the time of the commit, in hours: a count of commits skips slices wherever several arrive at once. */
function numberOfCommit(): number | undefined {
  const seconds = git('log', '-1', '--format=%ct');
  return seconds === undefined ? undefined : Math.floor(Number(seconds) / hour);
}

function main([given, ...more]: string[]): number {
  if (more.length > 0 || (given !== undefined && !/^\d{1,15}$/.test(given))) {
    stderr.write('usage: node scripts/run.js scripts/slice.ts [NUMBER]\n');
    return 2;
  }
  const number = given === undefined ? numberOfCommit() : Number(given);
  if (number === undefined) {
    stderr.write('slice: this is no git checkout: give the number of a slice\n');
    return 3;
  }
  const slices = slicesOf(matrices);
  const index = number % slices.length;
  const files = slices[index] ?? [];
  stderr.write(`slice ${index + 1} of ${slices.length} of the matrices: ${files.length} files\n`);
  stdout.write(files.map((file) => `${file}\n`).join(''));
  return 0;
}

exit(main(argv.slice(2)));
