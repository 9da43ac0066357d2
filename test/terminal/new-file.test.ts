import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { NewFile } from '../../src/terminal/new-file.ts';
import { folder } from '../cli/support.ts';
import { caches } from '../support/caches.ts';
import { quorateWords } from '../support/program.ts';

it.each(['pipe', 'link'])('a %s is refused, and nothing is made beside it', async (name) => {
  const at = folder();
  execFileSync('mkfifo', [join(at, 'pipe')]);
  symlinkSync('pipe', join(at, 'link'));
  await expect(NewFile.open(join(at, name))).rejects.toMatchObject({
    code: 'CLI_FILE_UNWRITABLE',
    message: expect.stringMatching(/is a device, a socket or a pipe$/),
  });
  expect(readdirSync(at).sort()).toEqual(['link', 'pipe']);
});

it('a link stays, and the file that it leads to is replaced', async () => {
  const at = folder();
  writeFileSync(join(at, 'file'), 'old');
  symlinkSync('file', join(at, 'link'));
  const file = await NewFile.open(join(at, 'link'));
  await file.finish('new', '');
  expect(lstatSync(join(at, 'link')).isSymbolicLink()).toBe(true);
  expect(readFileSync(join(at, 'file'), 'utf8')).toBe('new');
  expect(readdirSync(at).sort()).toEqual(['file', 'link']);
});

it('an error says why the file is not written, also where what was begun cannot be removed', async () => {
  const at = join(folder(), 'at');
  mkdirSync(at);
  const write = async () => {
    await using file = await NewFile.open(join(at, 'file'));
    rmSync(at, { recursive: true });
    writeFileSync(at, 'a file in the place of the folder');
    await file.finish('new', '');
  };
  await expect(write()).rejects.toMatchObject({
    code: 'CLI_FILE_UNWRITABLE',
    message: expect.stringContaining('ENOTDIR'),
  });
});

it('the file that is standard output is refused: later output of others would be lost with it', () => {
  const at = folder();
  const log = join(at, 'log');
  const fd = openSync(log, 'w');
  const [node = '', ...words] = quorateWords;
  const args = ['sbom', 'absent', '-o', '/dev/stdout', '--home', at];
  const { status, stderr } = spawnSync(node, [...words, ...args], {
    stdio: ['ignore', fd, 'pipe'],
    encoding: 'utf8',
    env: { PATH: process.env.PATH ?? '', ...caches },
    timeout: 120_000,
  });
  closeSync(fd);
  expect({ status, stderr }).toMatchObject({ status: 3, stderr: expect.stringContaining('standard output') });
  expect(stderr).toMatch(/^error\[CLI_FILE_UNWRITABLE\]/);
});
