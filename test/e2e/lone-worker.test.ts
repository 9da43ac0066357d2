import { readdir, readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { processesWith, uniqueSleep } from '../sandbox/support.ts';
import { Cluster } from './support/cluster.ts';
import { jobFile, program } from './support/jobs.ts';
import { until } from './support/wait.ts';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({ volunteers: ['solo'], slotWait: '2s' });
}, 60_000);

/** Control groups of jobs, whoever runs them. */
async function groups(): Promise<string[]> {
  const found = await readdir('/sys/fs/cgroup', { recursive: true }).catch(() => []);
  return found.filter((path) => /quorate-job-[^/]*$/.test(path));
}

/** Groups that jobs of this worker have, by its own notes. */
async function notes(worker: string): Promise<string[]> {
  const dir = `${cluster.home(worker)}/sandbox/sandbox`;
  const files = await readdir(dir).catch(() => []);
  const texts = await Promise.all(files.map((file) => readFile(`${dir}/${file}`, 'utf8').catch(() => '{}')));
  return texts.flatMap((text) => (JSON.parse(text) as { directories?: string[] }).directories ?? []);
}

describe('one honest operator alone', () => {
  it('never amounts to agreement', async () => {
    const run = await cluster.submit(await cluster.git.commit('alone', program('alone')));
    const { code } = await run.end(60_000);
    expect(code, run.report()).toBe(1);
    expect(run.all('delivered')).toMatchObject([{ operator: 'solo' }]);
    expect(run.all('unfilled')).toMatchObject([{ slots: 2 }]);
    expect(run.lines.at(-1)).toMatchObject({ event: 'verdict', level: 'disputed', reason: 'too-few' });
    const [revealed] = run.all('revealed') as { results?: { result: string }[] }[];
    const result = String(revealed?.results?.[0]?.result);
    expect(result).toMatch(/^bafy/);
    const fetched = await cluster.fetch(result, 'alone');
    expect(fetched.code, fetched.report).not.toBe(0);
  });
});

describe('a worker killed with a receipt nobody has acknowledged', () => {
  it('sends it again when it is back, and builds nothing twice', async () => {
    const run = await cluster.submit(await cluster.git.commit('killed', program('killed', 2)));
    const worker = cluster.worker('solo');
    const since = worker.mark();
    await worker.event('build', { since });
    await cluster.control.kill();
    await worker.event('built', { since });
    await worker.kill();
    expect((await run.end(30_000)).code).toBe(3);

    const again = await cluster.join('solo');
    const controller = await cluster.startController();
    await controller.event('verdict', { ms: 40_000 });
    const { level, history } = await cluster.show(run.run);
    expect(level).toBe('disputed');
    const told = (kind: string) => history.filter((progress) => progress.kind === kind);
    expect(told('leased')).toMatchObject([{ operator: 'solo' }]);
    expect(told('lost')).toEqual([]);
    expect(told('delivered')).toMatchObject([{ operator: 'solo' }]);
    expect(again.all('build')).toEqual([]);
  });
});

describe('Ctrl-C', () => {
  it('on a worker that builds ends it within five seconds, with all that the build started', async () => {
    const marker = uniqueSleep();
    const url = await cluster.git.commit('endless', {
      'quorate.yaml': jobFile({ run: [`sleep ${marker}`] }),
    });
    const run = await cluster.submit(url);
    await run.event('leased');
    await until('the build to run', async () => (await processesWith(marker)).length > 0);
    const mine = await notes('solo');
    expect(mine.length).toBeGreaterThan(0);
    expect((await groups()).length).toBeGreaterThan(0);

    const started = Date.now();
    const { code, signal } = await cluster.worker('solo').stop('SIGINT');
    expect(Date.now() - started).toBeLessThan(5_000);
    expect({ code, signal }).toEqual({ code: 0, signal: null });
    expect(await processesWith(marker)).toEqual([]);
    const left = await groups();
    expect(mine.filter((group) => left.some((path) => group.endsWith(path)))).toEqual([]);
    await run.stop('SIGINT');
  });

  it('on the controller ends it within five seconds', async () => {
    const started = Date.now();
    const { code, signal } = await cluster.control.stop('SIGINT');
    expect(Date.now() - started).toBeLessThan(5_000);
    expect({ code, signal }).toEqual({ code: 0, signal: null });
  });
});
