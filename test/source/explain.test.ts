import { expect, it } from 'vitest';
import { explain, GitFailed } from '../../src/source/git-failed.ts';

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
