import { spawnSync } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { long } from '../long.ts';
import { matrices, slicesOf } from '../matrices.ts';
import { alone, clocks } from '../support/projects.ts';

const root = join(import.meta.dirname, '..', '..');
const sum = (numbers: number[]) => numbers.reduce((total, each) => total + each, 0);

describe('the slices of the matrices', () => {
  const files = Object.fromEntries(Array.from({ length: 23 }, (_, n) => [`${n}.test.ts`, 10 + 7 * (n % 9)]));
  const secondsOf = (slice: string[]) => sum(slice.map((file) => files[file] ?? 0));

  it('are all files, each once', () => {
    expect(slicesOf(files, 200).flat().sort()).toEqual(Object.keys(files).sort());
    expect(slicesOf(matrices).flat().sort()).toEqual(Object.keys(matrices).sort());
  });

  it('are within their bound and about equal', () => {
    const each = slicesOf(files, 200).map(secondsOf);
    expect(Math.max(...each)).toBeLessThanOrEqual(200);
    expect(Math.max(...each) - Math.min(...each)).toBeLessThanOrEqual(66);
  });

  it('are the same in whatever order the files come', () => {
    const backwards = Object.fromEntries(Object.entries(files).reverse());
    expect(slicesOf(backwards, 200)).toEqual(slicesOf(files, 200));
  });

  it('leave a file alone that is over the bound by itself', () => {
    expect(slicesOf({ long: 300, a: 10, b: 10 }, 100)).toEqual([['long'], ['a'], ['b']]);
  });

  it('are none of no files, and one of one', () => {
    expect(slicesOf({})).toEqual([]);
    expect(slicesOf({ a: 1 })).toEqual([['a']]);
  });
});

describe('the files that take long', () => {
  it('exist, and are of no other list', () => {
    const elsewhere = [...Object.keys(matrices), ...alone, ...clocks];
    const wrong = (file: string) => !existsSync(join(root, file)) || elsewhere.includes(file);
    expect(Object.keys(long).filter(wrong)).toEqual([]);
  });
});

describe('the matrices', () => {
  it('are files that exist', () => {
    expect(Object.keys(matrices).filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });

  it('hold all that needs the emulated machine', () => {
    const emulated = globSync('test/**/*emulated*.test.ts', { cwd: root });
    expect(emulated.filter((file) => !(file in matrices))).toEqual([]);
  });
});

describe('slice', () => {
  const run = (...args: string[]) => {
    const script = join(root, 'scripts', 'slice.ts');
    const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' });
    return { status, files: stdout.trim().split('\n'), err: stderr };
  };
  const slices = slicesOf(matrices);

  it('prints the files of a number, and round again', () => {
    expect(run('1')).toMatchObject({ status: 0, files: slices[1 % slices.length] });
    expect(run(String(slices.length)).files).toEqual(slices[0]);
  });

  it('says which of how many it is', () => {
    expect(run('0').err).toMatch(
      new RegExp(`^slice 1 of ${slices.length} of the matrices: \\d+ files$`, 'm'),
    );
  });

  it('takes the number of the commit by itself', () => {
    expect(slices).toContainEqual(run().files);
  });

  it.each([['x'], ['-1'], ['1', '2']])('refuses %j', (...args) => {
    expect(run(...args)).toMatchObject({ status: 2, err: expect.stringContaining('usage: ') });
  });
});
