import { beforeAll, expect, it } from 'vitest';
import { program } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';
import type { Line } from './support/told.ts';
import { until } from './support/wait.ts';

let cluster: LocalCluster;

beforeAll(async () => {
  cluster = await LocalCluster.start({
    volunteers: ['ada', 'ben', 'cyd'],
    trusted: true,
    controllerArgs: ['--grants', '4s'],
  });
});

const renewals = (name: string): Line[] =>
  cluster.worker(name).lines.filter(({ event, level }) => event === 'grant' && level === 'info');

it('grants of four seconds are renewed on open connections; a worker that gets none says so, and goes on later', async () => {
  const names = ['ada', 'ben', 'cyd', 'tower'];
  // Two lifetimes: test/simulations/grants.test.ts goes through forty.
  await until('four renewals of each', () => names.every((name) => renewals(name).length >= 4));
  for (const name of names)
    expect(cluster.worker(name).lines.filter(({ event }) => event === 'connected')).toHaveLength(1);
  const run = await cluster.submit(await cluster.git.commit('tool', program('tool')));
  expect((await run.end()).code, run.report()).toBe(0);
  expect(run.lines.at(-1)).toMatchObject({ event: 'verdict', level: 'trusted' });

  await cluster.control.stop();
  const ada = cluster.worker('ada');
  await ada.event('grant', { where: ({ says }) => String(says).startsWith('no job can be taken') });
  const status = await cluster.cli(['worker', 'status'], { home: 'ada', cwd: cluster.dir });
  expect(status.lines[0], status.report).toMatchObject({
    status: {
      state: 'cut off',
      reason: expect.stringMatching(/^its grant ended at .*, and cannot be renewed: CONTROLLER_UNREACHABLE/),
    },
  });

  const before = renewals('ada').length;
  await cluster.startController();
  await until('a renewal', () => renewals('ada').length > before);
  const again = await cluster.submit(await cluster.git.commit('other', program('other')));
  expect((await again.end()).code, again.report()).toBe(0);
});
