import { execFileSync } from 'node:child_process';
import { lstatSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { NewFile } from '../../src/cli/new-file.ts';
import { folder } from './support.ts';

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
