import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { Cluster } from '../e2e/support/cluster.ts';
import { gate } from '../e2e/support/gate.ts';
import { program } from '../e2e/support/jobs.ts';
import { until } from '../e2e/support/wait.ts';
import { marksOf, toldSince } from './told-since.ts';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({
    volunteers: ['ada', 'ben', 'cleo', 'dan'],
    trusted: true,
    bootstrap: true,
    askInside: true,
  });
  // From here on nobody has a first peer to ask.
  await cluster.bootstrap?.kill();
  cluster.bootstrapAddress = undefined;
});

/** Where each host stands in what it tells, so that a test sees only what comes after. */
const marks = () => marksOf(cluster);
const since = (at: Map<string, number>, event: string) => toldSince(cluster, at, event);

async function restartController(): Promise<void> {
  await cluster.control.kill();
  await cluster.startController();
}

/** The level of a run once it has its last one. */
async function verdict(run: string): Promise<Awaited<ReturnType<Cluster['show']>>> {
  for (;;) {
    const { control } = cluster;
    const since = control.mark();
    const shown = await cluster.show(run);
    if (shown.state === 'done') return shown;
    await control.event('verdict', { since, where: ({ data }) => (data as { run?: string }).run === run });
  }
}

describe('a controller killed in the middle of a job', () => {
  /** The artifact of the same job when nobody is killed. */
  let undisturbed = '';

  it('has a verdict to compare with', async () => {
    const run = await cluster.submit(await cluster.git.commit('calm', program('the same')));
    expect((await run.end()).code, run.report()).toBe(0);
    undisturbed = String(run.lines.at(-1)?.artifact);
  });

  it('goes on after each kill, loses no receipt, and comes to the same verdict', async () => {
    const at = marks();
    const held = gate();
    const run = await cluster.submit(await cluster.git.commit('storm', program('the same', held.step)));
    // While all of them build.
    await held.reached(4);
    await restartController();
    await held.open();
    // As soon as the first has a result: its receipt is on the way, or has just been acknowledged.
    await until('a build to end', () => since(at, 'built').length >= 1);
    await restartController();
    // As soon as the trusted worker signed: its signature is on the way.
    await until('the co-signature', () => since(at, 'cosigned').length >= 1);
    await restartController();

    // The command goes on where it lost the controller.
    expect((await run.end()).code, run.report()).toBe(0);
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

describe('a worker killed with a receipt nobody has acknowledged', () => {
  it('sends it again when it is back, and builds nothing twice', async () => {
    const at = marks();
    const held = gate();
    const run = await cluster.submit(await cluster.git.commit('killed', program('killed', held.step)));
    await held.reached(4);
    await cluster.control.kill();
    await held.open();
    const built = await until('all to have built', () => {
      const all = since(at, 'built');
      return all.length === 4 && all;
    });
    const victim = String(built.find(({ name }) => name !== 'tower')?.name);
    await cluster.worker(victim).kill();
    expect((await run.end()).code).toBe(3);

    const again = await cluster.join(victim);
    await cluster.startController();
    const { level, history } = await verdict(run.run);
    expect(level, JSON.stringify(history)).toBe('trusted');
    const told = (kind: string) => history.filter((progress) => progress.kind === kind);
    expect(told('leased').length).toBe(4);
    expect(told('lost')).toEqual([]);
    expect(told('delivered').map(({ operator }) => operator)).toContain(victim);
    expect(again.all('build')).toEqual([]);
  });
});
