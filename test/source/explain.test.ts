import { expect, it } from 'vitest';
import { explain, GitFailed } from '../../src/source/git-failed.ts';
import { isKept } from '../../src/source/index.ts';
import { folder } from './support.ts';

it.each([
  [
    'our disk is full',
    'fatal: write error: No space left on device\nfatal: index-pack failed',
    'SOURCE_DISK_FULL',
  ],
  [
    "the server's disk is full",
    'remote: fatal: No space left on device\nfatal: early EOF',
    'SOURCE_SERVER_ERROR',
  ],
  ['the pack is broken', 'fatal: index-pack failed', 'SOURCE_SERVER_ERROR'],
])('when %s, the error says so', (_, stderr, code) => {
  expect(explain(new GitFailed(128, stderr), 'commit a')).toMatchObject({ code });
});

it('a git that failed for another reason is to be tried by hand, at the server only where it asked one', async () => {
  const failed = explain(new GitFailed(128, 'fatal: something else'), 'commit a');
  expect(failed).toMatchObject({
    code: 'SOURCE_FAILED',
    hint: expect.stringContaining('git ls-remote <url>'),
  });
  const here = await isKept(await folder(), '.quorate').catch((error: unknown) => error);
  expect(here).toMatchObject({ code: 'SOURCE_FAILED', hint: expect.stringMatching(/: git status$/) });
});
