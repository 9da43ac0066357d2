import { arch } from 'node:process';
import { expect, it } from 'vitest';
import { program } from '../../e2e/support/jobs.ts';
import { LocalCluster } from '../../e2e/support/local-cluster.ts';

it('workers of this processor build a job, which becomes trusted', async () => {
  const cluster = await LocalCluster.start({ volunteers: ['ada', 'ben', 'cyd'], trusted: true });
  const run = await cluster.submit(await cluster.git.commit('hello', program('hello')));
  const { code } = await run.end();
  expect(code, run.report()).toBe(0);
  const verdict = run.lines.at(-1);
  expect(verdict).toMatchObject({ event: 'verdict', level: 'trusted' });
  const fetched = await cluster.fetch(String(verdict?.artifact), 'hello');
  expect(fetched.code, fetched.report).toBe(0);
  expect(await cluster.readText('fetched', 'hello', 'bin', 'say')).toContain('echo hello');
  expect(arch).toBe('arm64');
});
