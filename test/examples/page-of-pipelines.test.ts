import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';

const root = join(import.meta.dirname, '..', '..');

it('the commands of docs/pipelines.md work as they are written', async () => {
  const temp = mkdtempSync(join(tmpdir(), 'quorate-page-'));
  onTestFinished(() => rmSync(temp, { recursive: true, force: true }));
  const page = readFileSync(join(root, 'docs', 'pipelines.md'), 'utf8');
  const block = /<!-- pipeline -->\n```sh\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
  expect(block).toContain('quorate try');
  symlinkSync(join(root, 'bin', 'quorate.js'), join(temp, 'quorate'));
  const { stdout } = await promisify(execFile)(
    'bash',
    ['-eo', 'pipefail', '-c', block.replaceAll('/tmp', temp)],
    {
      cwd: root,
      timeout: 280_000,
      env: {
        PATH: `${temp}:${process.env.PATH}`,
        HOME: join(temp, 'user'),
        GIT_AUTHOR_NAME: 'a',
        GIT_AUTHOR_EMAIL: 'a@example.org',
        GIT_COMMITTER_NAME: 'a',
        GIT_COMMITTER_EMAIL: 'a@example.org',
        GIT_CONFIG_NOSYSTEM: '1',
      },
    },
  );
  expect(stdout).toContain('5 jobs\n');
  expect(stdout).toMatch(/reports \w+.*\n {2}report {2}/);
  expect(stdout).toContain('./bin/roman\n');
  expect(stdout).toMatch(/1 job, 2 skipped\n.*build.*\n.*skipped: test \(3 jobs\)/);
});
