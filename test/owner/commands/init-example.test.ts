import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { sayMissingTools } from '../../../src/owner/commands/init.ts';
import { quorate, repository } from '../../cli/support.ts';

it('the example of a project is made of its Makefile', async () => {
  const repo = repository();
  await writeFile(join(repo, 'Makefile'), 'hello: hello.c\n\tcc -o $@ $<\n');
  expect(await quorate(['init'], { cwd: repo })).toMatchObject({ code: 0 });
  expect(readFileSync(join(repo, 'quorate.yaml'), 'utf8')).toContain('- cp --parents hello $OUT');
});

it('a Makefile that is no file is passed over', async () => {
  const repo = repository();
  await mkdir(join(repo, 'Makefile'));
  expect(await quorate(['init'], { cwd: repo })).toMatchObject({ code: 0 });
  expect(readFileSync(join(repo, 'quorate.yaml'), 'utf8')).toContain('make install');
});

it('programs that this machine lacks are named, a few of them, with what brings them', async () => {
  const said = async (...run: string[]) =>
    sayMissingTools(`jobs: {build: {run: ${JSON.stringify(run)}}}`, (name) => name === 'git');
  expect(await said('make && g++ x', 'git x', 'make')).toEqual([
    expect.stringMatching(/: make, g\+\+\. On Debian:$/),
    '  apt-get install make g++',
  ]);
  expect(await said('git x')).toEqual([]);
  const many = 'make;cmake;ninja;meson;gcc;clang;go;cargo;node;npm';
  expect((await said(many))[0]).toMatch(/go, cargo and 2 more\. On/);
  expect(await sayMissingTools('jobs: [')).toEqual([]);
});
