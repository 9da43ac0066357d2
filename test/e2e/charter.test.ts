import { beforeAll, expect, it } from 'vitest';
import { Cluster } from './support/cluster.ts';
import { program } from './support/jobs.ts';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({ volunteers: ['ada', 'ben', 'cyd'], trusted: true });
}, 90_000);

it('what the root key signs next holds for a running controller and its workers, and after a restart', async () => {
  const url = await cluster.git.commit('tool', program('tool'));
  const servers = (...hosts: string[]) =>
    cluster.cli(['charter', 'set', ...hosts.flatMap((host) => ['--vcs', host])]);
  const answer = await servers('git.example.org');
  expect(answer.lines, answer.report).toMatchObject([
    { changed: true, epoch: 3, vcs: ['git.example.org'], before: [`127.0.0.1:${cluster.git.port}`] },
  ]);
  await cluster.control.event('charter');
  const refused = await cluster.cli(['run', url]);
  expect([refused.code, refused.error], refused.report).toEqual([2, 'SOURCE_HOST_NOT_ALLOWED']);

  // Workers have not heard of this one before the offer comes.
  const since = cluster.control.mark();
  await servers('git.example.org', `127.0.0.1:${cluster.git.port}`);
  await cluster.control.event('charter', { since });
  const run = await cluster.submit(url);
  expect((await run.end(60_000)).code, run.report()).toBe(0);
  expect(run.lines.at(-1)).toMatchObject({ event: 'verdict', level: 'trusted' });

  await cluster.control.stop('SIGINT');
  await servers('git.example.org');
  await cluster.startController();
  const again = await cluster.cli(['run', url]);
  expect([again.code, again.error], again.report).toEqual([2, 'SOURCE_HOST_NOT_ALLOWED']);
}, 180_000);
