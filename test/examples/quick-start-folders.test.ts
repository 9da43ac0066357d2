import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';

const readme = readFileSync(join(import.meta.dirname, '..', '..', 'README.md'), 'utf8');

/** A repository in the place of the clone, and the quick start as somebody pastes it into a shell there. */
function pasted(programs: Record<string, string>, env: Record<string, string> = {}) {
  const base = mkdtempSync(join(tmpdir(), 'quorate-pasted-'));
  onTestFinished(() => rmSync(base, { recursive: true, force: true }));
  const [clone, bin] = [join(base, 'clone'), join(base, 'bin')];
  mkdirSync(join(clone, 'bin'), { recursive: true });
  mkdirSync(bin);
  writeFileSync(join(clone, 'bin', 'quorate.js'), '');
  for (const [name, text] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  const git = (...args: string[]) => execFileSync('git', ['-C', clone, ...args], { encoding: 'utf8' });
  git('init', '-q');
  const block = /<!-- quick-start -->\n```sh\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  const input = block.replaceAll('/usr/local/bin', bin);
  // The link that the block makes would take the place of the program.
  const typed = input.replace(`${bin}/quorate\n`, `${bin}/linked\n`);
  const paths = { PATH: `${bin}:${process.env.PATH}`, HOME: base, TMPDIR: base };
  const shell = spawnSync('bash', [], {
    cwd: clone,
    input: typed,
    env: { ...paths, ...env },
    timeout: 60_000,
  });
  expect(shell.error).toBeUndefined();
  return {
    changed: git('status', '--porcelain', '-uall').trim(),
    commits: git('log', '--all', '--oneline'),
    files: readdirSync(clone),
  };
}

const untouched = { changed: '?? bin/quorate.js', commits: '', files: ['.git', 'bin'] };

it.each<[string, Record<string, string>, Record<string, string>]>([
  ['there is no room for its folder', {}, { TMPDIR: '/nowhere' }],
  ['its folder cannot be made', { mkdir: 'exit 1' }, {}],
  ['quorate does not start', { quorate: 'exit 3' }, {}],
  ['its project ends at once', { quorate: 'test "$1" != up' }, {}],
])('the quick start leaves the clone as it is when %s', (_, programs, env) => {
  expect(pasted(programs, env)).toEqual(untouched);
});
