import { beforeAll, expect, it } from 'vitest';
import { program } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';

let cluster: LocalCluster;

beforeAll(async () => {
  cluster = await LocalCluster.start({ volunteers: ['ada', 'ben', 'cyd'], trusted: true });
});

/** Signs a charter with these servers, and waits until the controller that runs holds to it. */
async function allow(...hosts: string[]): Promise<number> {
  const answer = await cluster.cli(['charter', 'set', ...hosts.flatMap((host) => ['--vcs', host])]);
  expect(answer.lines, answer.report).toMatchObject([{ changed: true, vcs: hosts }]);
  const { epoch } = answer.lines[0] as { epoch: number };
  if (cluster.control.alive)
    await cluster.control.event('charter', { where: ({ says }) => String(says).endsWith(`epoch ${epoch}`) });
  return epoch;
}

it('what the root key signs next holds for a running controller and its workers, and after a restart', async () => {
  const here = `127.0.0.1:${cluster.git.port}`;
  const url = await cluster.git.commit('tool', program('tool'));
  // The first epoch is of the project's start, the second names its trusted worker.
  expect(await allow('git.example.org')).toBe(3);
  const refused = await cluster.cli(['run', url]);
  expect([refused.code, refused.error], refused.report).toEqual([2, 'SOURCE_HOST_NOT_ALLOWED']);

  // Workers have not heard of this one before the offer comes.
  await allow('git.example.org', here);
  const run = await cluster.submit(url);
  expect((await run.end()).code, run.report()).toBe(0);
  expect(run.lines.at(-1)).toMatchObject({ event: 'verdict', level: 'trusted' });

  await cluster.control.stop();
  await allow('git.example.org');
  await cluster.startController();
  const again = await cluster.cli(['run', url]);
  expect([again.code, again.error], again.report).toEqual([2, 'SOURCE_HOST_NOT_ALLOWED']);
});
