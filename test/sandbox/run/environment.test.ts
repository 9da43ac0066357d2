import { expect, it } from 'vitest';
import { buildEnvironment } from '../../../sandbox/run/driver.ts';

const variables = (job: Partial<Parameters<typeof buildEnvironment>[0]>) =>
  Object.fromEntries(buildEnvironment({ env: {}, ...job }).map((word) => word.split('=')));

const commit = { id: 'ab'.repeat(20), tree: 'bafytree', seconds: 1_700_000_000 };

it('tells a build its commit, its tree and the time of the commit', () => {
  expect(variables({ commit })).toMatchObject({
    CI: 'true',
    QUORATE_COMMIT: commit.id,
    QUORATE_COMMIT_TIME: '1700000000',
    QUORATE_TREE: 'bafytree',
    SOURCE_DATE_EPOCH: '1700000000',
  });
});

it('archives nothing as older than a ZIP archive can hold, and tells the time of the commit all the same', () => {
  expect(variables({ commit: { ...commit, seconds: 0 } })).toMatchObject({
    QUORATE_COMMIT_TIME: '0',
    SOURCE_DATE_EPOCH: '315532800',
  });
});

it('lets a job set CI and SOURCE_DATE_EPOCH, but not what it is told of its commit', () => {
  const env = {
    CI: '',
    SOURCE_DATE_EPOCH: '7',
    QUORATE_COMMIT: 'x',
    QUORATE_TREE: 'x',
    QUORATE_COMMIT_TIME: 'x',
  };
  expect(variables({ commit, env })).toMatchObject({
    CI: '',
    SOURCE_DATE_EPOCH: '7',
    QUORATE_COMMIT: commit.id,
    QUORATE_COMMIT_TIME: '1700000000',
    QUORATE_TREE: 'bafytree',
  });
});

it('says nothing of a commit where there is none, as in a probe', () => {
  const names = Object.keys(variables({}));
  expect(names.filter((name) => name.startsWith('QUORATE_'))).toEqual([]);
  expect(variables({}).SOURCE_DATE_EPOCH).toBe('315532800');
});
