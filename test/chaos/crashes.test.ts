import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { Cluster } from '../e2e/support/cluster.ts';
import { program } from '../e2e/support/jobs.ts';
import type { Line } from '../e2e/support/processes.ts';
import { until } from '../e2e/support/wait.ts';

const volunteers = ['ada', 'ben', 'cleo', 'dan'];
let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({ volunteers, trusted: true });
}, 60_000);

const leaseOf = (line: Line): string => String((line.data as { lease?: string } | undefined)?.lease);

/** Where each machine stands in what it tells, so that a test sees only what comes after. */
function marks(): Map<string, number> {
  return new Map([...cluster.workers].map(([name, proc]) => [name, proc.mark()]));
}

function since(at: Map<string, number>, event: string): { name: string; line: Line }[] {
  return [...cluster.workers].flatMap(([name, proc]) =>
    proc.lines
      .slice(at.get(name) ?? 0)
      .filter((line) => line.event === event)
      .map((line) => ({ name, line })),
  );
}

async function restartController(): Promise<void> {
  await cluster.control.kill();
  await cluster.startController();
}

/** The level of a run once it has its last one. */
async function verdict(run: string): Promise<Awaited<ReturnType<Cluster['show']>>> {
  return until(
    'the verdict',
    async () => {
      const shown = await cluster.show(run);
      return shown.state === 'done' && shown;
    },
    60_000,
  );
}

describe('a controller killed in the middle of a job', () => {
  /** What the same job comes to when nobody is killed. */
  let undisturbed = '';

  it('has a verdict to compare with', async () => {
    const run = await cluster.submit(await cluster.git.commit('calm', program('the same')));
    expect((await run.end(60_000)).code, run.report()).toBe(0);
    undisturbed = String(run.lines.at(-1)?.artifact);
  });

  it('goes on after each kill, loses no receipt, and comes to the same verdict', async () => {
    const at = marks();
    const run = await cluster.submit(await cluster.git.commit('storm', program('the same', 3)));
    // While all of them build.
    await until('three builds and the trusted one', () => since(at, 'build').length >= 4);
    await restartController();
    expect((await run.end(20_000)).code).toBe(3);
    // As soon as the first has a result: its receipt is on the way, or has just been acknowledged.
    await until('a build to end', () => since(at, 'built').length >= 1, 40_000);
    await restartController();
    // As soon as the trusted worker signed: its signature is on the way.
    await until('the co-signature', () => since(at, 'cosigned').length >= 1, 60_000);
    await restartController();

    const { level, artifact, history } = await verdict(run.run);
    expect(level, JSON.stringify(history)).toBe('trusted');
    expect(artifact).toBe(undisturbed);
    const told = (kind: string) => history.filter((progress) => progress.kind === kind);
    expect(told('lost')).toEqual([]);
    expect(told('leased').length).toBe(4);
    expect(told('delivered').length).toBe(4);
    expect(since(at, 'build').length).toBe(4);

    const file = join(cluster.dir, 'storm.json');
    const fetched = await cluster.fetch(artifact, 'storm', '--bundle-out', file);
    expect(fetched.code, fetched.report).toBe(0);
    const files = cluster.fetched('storm');
    const verified = await cluster.cli(['verify', files, '--bundle', file, '--project', cluster.project]);
    expect(verified.code, verified.report).toBe(0);
    // Those of the three operators and the trusted worker's own.
    const bundle = JSON.parse(await cluster.readText('storm.json')) as { receipts: unknown[] };
    expect(bundle.receipts.length).toBe(4);
  });
});

describe('a worker killed in the middle of a build', () => {
  it('loses its slot to an operator that waits, and the job becomes trusted', async () => {
    const at = marks();
    const run = await cluster.submit(await cluster.git.commit('relay', program('relay', 4)));
    const building = await until('three builds', () => {
      const builds = since(at, 'build').filter(({ name }) => name !== 'tower');
      return builds.length === 3 && builds;
    });
    const [victim] = building;
    const fourth = volunteers.find((name) => !building.some((build) => build.name === name));
    expect(victim).toBeDefined();
    await cluster.worker(String(victim?.name)).kill();

    expect((await run.end(80_000)).code, run.report()).toBe(0);
    expect(run.lines.at(-1)).toMatchObject({ event: 'verdict', level: 'trusted' });
    expect(run.all('lost')).toMatchObject([{ operator: victim?.name }]);
    const delivered = run.all('delivered').filter(({ slot }) => slot !== 'trusted');
    expect(delivered.map(({ operator }) => operator)).toContain(fourth);
    expect(delivered.map(({ operator }) => operator)).not.toContain(victim?.name);
    const [lease] = since(at, 'build').filter(({ name }) => name === fourth);
    expect(leaseOf(lease?.line ?? {})).not.toBe(leaseOf(victim?.line ?? {}));
  });

  it('comes back, lets its lost build go, and takes part in the next job', async () => {
    const gone = volunteers.find((name) => !cluster.worker(name).alive);
    const proc = await cluster.join(String(gone));
    await proc.event('connected');
    const run = await cluster.submit(await cluster.git.commit('next', program('next')));
    expect((await run.end(60_000)).code, run.report()).toBe(0);
    expect(proc.all('note').length).toBeLessThanOrEqual(1);
  });
});
