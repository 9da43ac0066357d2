import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, it } from 'vitest';
import { meshLimits } from '../../src/mesh/limits.ts';
import { program } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';

let cluster: LocalCluster;

beforeAll(async () => {
  cluster = await LocalCluster.start({ volunteers: ['ada', 'ben', 'cleo'], trusted: true });
});

it('a script publishes 200 jobs at once from one home, some of them in processes of their own', async () => {
  const url = await cluster.git.commit('tool', program('many'));
  const first = await cluster.submit(url);
  expect((await first.end()).code, first.report()).toBe(0);
  const processes = Array.from({ length: 16 }, (_, n) => cluster.spawn(`process ${n}`, ['run', url]));
  const inside: ReturnType<typeof cluster.start>[] = [];
  for (let n = 0; n < 184; n++) {
    inside.push(cluster.start(`run ${n}`, ['run', url]));
    // As many in a second as a controller takes connections of one address: a dial has ten seconds.
    await sleep(1000 / meshLimits.inboundPerSecond);
  }
  const runs = new Set<unknown>();
  for (const node of [...inside, ...processes]) {
    const { code } = await node.end(600_000);
    expect(code, node.report()).toBe(0);
    expect(node.all('verdict').at(-1)).toMatchObject({ level: 'trusted' });
    for (const { run } of node.all('submitted')) runs.add(run);
  }
  expect(runs.size).toBe(200);
}, 900_000);
