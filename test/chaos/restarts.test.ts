import { beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../examples/demo/free-port.ts';
import { program } from '../e2e/support/jobs.ts';
import { LocalCluster } from '../e2e/support/local-cluster.ts';
import type { Line } from '../e2e/support/told.ts';

/** As many as a small project has: with one of them missing no job can be agreed in time. */
const volunteers = ['ada', 'ben', 'cleo'];
let cluster: LocalCluster;
let jobs = 0;

beforeAll(async () => {
  cluster = await LocalCluster.start({ volunteers, bootstrap: true, slotWait: '10m' });
  // From here on nobody has a first peer to ask.
  await cluster.bootstrap?.stop();
});

const via = (line: Line) => (line.data as { via?: string }).via;

/** A job that all three must build; gives how each of them heard of it. */
async function work(): Promise<Map<string, string | undefined>> {
  const marks = new Map(volunteers.map((name) => [name, cluster.worker(name).mark()]));
  const name = `job-${++jobs}`;
  const run = await cluster.submit(await cluster.git.commit(name, program(name)), '--until', 'agreed');
  expect((await run.end()).code, run.report()).toBe(0);
  const delivered = run.all('delivered').map(({ operator }) => operator);
  expect(delivered.sort(), run.report()).toEqual(volunteers);
  return new Map(
    await Promise.all(
      volunteers.map(async (worker): Promise<[string, string | undefined]> => {
        const since = marks.get(worker) ?? 0;
        return [worker, via(await cluster.worker(worker).event('offer', { since }))];
      }),
    ),
  );
}

/** Starts again where it left off: on another port, without a ticket. Kills are of crashes.test.ts. */
async function restartWorker(name: string): Promise<void> {
  await cluster.worker(name).stop();
  await (await cluster.join(name)).event('connected');
}

async function restartController(): Promise<void> {
  const marks = volunteers.map((name) => [name, cluster.worker(name).mark()] as const);
  await cluster.control.stop();
  await cluster.startController();
  await Promise.all(marks.map(([name, since]) => cluster.worker(name).event('connected', { since })));
}

describe('a project of three volunteers whose bootstrap node is gone', () => {
  it('has its jobs built', async () => {
    expect([...(await work()).keys()]).toEqual(volunteers);
  });

  it('goes on when each volunteer in turn leaves and comes back', async () => {
    for (const name of volunteers) await restartWorker(name);
    await work();
  });

  it('goes on when its controller leaves and comes back, and offers reach all by gossip again', async () => {
    await restartController();
    await work();
    const heard = await work();
    expect([...heard.values()]).toEqual(['gossip', 'gossip', 'gossip']);
  });

  it('finds a controller that comes back on another port', async () => {
    cluster.port = await freePort();
    await restartController();
    await work();
    // Also those that were not there when it moved: they were told its new address, or it found them.
    await restartWorker('ben');
    await work();
  });

  it('goes on when everybody was gone at once', async () => {
    await Promise.all([cluster.control.stop(), ...volunteers.map((name) => cluster.worker(name).stop())]);
    const back = await Promise.all(volunteers.map((name) => cluster.join(name)));
    await cluster.startController();
    await Promise.all(back.map((proc) => proc.event('connected')));
    await work();
  });
});
