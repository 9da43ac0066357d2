import { expect, it } from 'vitest';
import { projectView } from '../../../src/controller/node/project-view.ts';
import { failedBuilds } from '../../../src/controller/page/failed-builds.ts';
import { pageLimits } from '../../../src/controller/page/limits.ts';
import { leasedRound } from '../machine/bench.ts';

it('so many logs are read at most of how a run failed, and so many ways are shown', async () => {
  const { bench, run } = await leasedRound();
  const { state } = bench.controller;
  const of = { project: bench.paper.root.id, name: 'demo', state };
  const view = projectView({ ...of, addresses: () => [], equivocations: () => [] }).run(run);
  const { failedLogsMax, failuresShownMax } = pageLimits;
  const builds = Array.from({ length: failedLogsMax + 1 }, (_, n) => ({
    lease: `lease ${n}`,
    worker: 'w',
    operator: `op${n}`,
    slot: '0',
    delivered: true,
    result: `exit ${n + 1}`,
  }));
  const read: string[] = [];
  const pages = { failure: async (lease: string) => void read.push(lease) };
  const shown = await failedBuilds({ pages } as never, view, builds);
  expect(read).toEqual(
    builds
      .slice(1)
      .map(({ lease }) => lease)
      .toReversed(),
  );
  expect(shown.map(({ result }) => result)).toEqual(
    builds
      .slice(-failuresShownMax)
      .map(({ result }) => result)
      .toReversed(),
  );
});
