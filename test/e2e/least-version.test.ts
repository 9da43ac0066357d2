import { beforeAll, expect, it } from 'vitest';
import { program } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';

let cluster: LocalCluster;

beforeAll(async () => {
  cluster = await LocalCluster.start({ volunteers: ['ada', 'ben', 'cyd'], trusted: true });
});

it('a charter that names a later version than workers have gives them no job, and tells them and the owner why', async () => {
  const url = await cluster.git.commit('least', program('least'));
  const least = async (version: string): Promise<void> => {
    const set = await cluster.cli(['charter', 'set', '--least-worker', version]);
    expect(set.lines, set.report).toMatchObject([{ changed: true }]);
    await cluster.control.event('charter', {
      where: ({ says }) => String(says).endsWith(`epoch ${set.lines[0]?.epoch}`),
    });
  };
  await least('99.0.0');
  const refused = await cluster.submit(url);
  expect((await refused.end()).code, refused.report()).not.toBe(0);
  expect(refused.report()).toMatch(/only older workers could take it.*\bada \(\d+\.\d+\.\d+\)/);
  const status = await cluster.cli(['controller', 'status']);
  const says = expect.stringContaining(
    'the project takes 99.0.0 or later: it gets no job until it is updated',
  );
  expect(status.lines[0]?.behind, status.report).toEqual(Array(4).fill(expect.objectContaining({ says })));
  const worker = await cluster.cli(['worker', 'status'], { home: 'ada', cwd: cluster.dir });
  expect(worker.report).toContain('the project takes workers of version 99.0.0 or later, and this one is');

  await least('none');
  const run = await cluster.submit(url);
  expect((await run.end()).code, run.report()).toBe(0);
});
