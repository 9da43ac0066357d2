import { beforeAll, describe, expect, it } from 'vitest';
import { Cluster } from '../e2e/support/cluster.ts';
import { gate } from '../e2e/support/gate.ts';
import { program } from '../e2e/support/jobs.ts';
import type { Line } from '../e2e/support/told.ts';
import { marksOf, toldSince } from './told-since.ts';

const volunteers = ['ada', 'ben', 'cleo', 'dan'];
let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({ volunteers, trusted: true, askInside: true });
});

const leaseOf = (line: Line): string => String((line.data as { lease?: string } | undefined)?.lease);

describe('a worker killed in the middle of a build', () => {
  it('loses its slot to an operator that waits, and the job becomes trusted', async () => {
    const at = marksOf(cluster);
    const held = gate();
    const run = await cluster.submit(await cluster.git.commit('relay', program('relay', held.step)));
    await held.reached(4);
    const building = toldSince(cluster, at, 'build').filter(({ name }) => name !== 'tower');
    expect(building.length).toBe(3);
    const [victim] = building;
    const fourth = String(volunteers.find((name) => !building.some((build) => build.name === name)));
    await cluster.worker(String(victim?.name)).kill();
    const lease = await cluster.worker(fourth).event('build', { since: at.get(fourth) ?? 0 });

    expect((await held.openDuring(run.end())).code, run.report()).toBe(0);
    expect(run.lines.at(-1)).toMatchObject({ event: 'verdict', level: 'trusted' });
    expect(run.all('lost')).toMatchObject([{ operator: victim?.name }]);
    const delivered = run.all('delivered').filter(({ slot }) => slot !== 'trusted');
    expect(delivered.map(({ operator }) => operator)).toContain(fourth);
    expect(delivered.map(({ operator }) => operator)).not.toContain(victim?.name);
    expect(leaseOf(lease)).not.toBe(leaseOf(victim?.line ?? {}));
  });

  it('comes back, lets its lost build go, and takes part in the next job', async () => {
    const gone = volunteers.find((name) => !cluster.worker(name).alive);
    const proc = await cluster.join(String(gone));
    await proc.event('connected');
    const run = await cluster.submit(await cluster.git.commit('next', program('next')));
    expect((await run.end()).code, run.report()).toBe(0);
    expect(proc.all('note').length).toBeLessThanOrEqual(1);
  });
});
