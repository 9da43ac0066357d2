import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { program } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';
import type { Told } from './support/told.ts';
import { freePort, until } from './support/wait.ts';

let cluster: LocalCluster;
let store: Told & { stop(): Promise<unknown> };
let url = '';
let artifact = '';
let run = '';

async function serve(name: string, ...more: string[]) {
  const words = ['store', 'serve', '--project', cluster.project, '--listen', '/ip4/127.0.0.1/tcp/0'];
  const where = ['--bootstrap', cluster.bootstrapAddress ?? ''];
  const node = cluster.start(name, [...words, ...where, ...more], { home: name, cwd: cluster.dir });
  await node.event('listening');
  return node;
}

beforeAll(async () => {
  cluster = await LocalCluster.start({
    volunteers: ['ada', 'ben'],
    trusted: true,
    bootstrap: true,
    slotWait: '1s',
  });
  url = `127.0.0.1:${await freePort()}`;
  store = await serve('depot', '--http', url);
  await store.event('connected');
  const built = await cluster.submit(
    await cluster.git.commit('first', program('first')),
    '--until',
    'trusted',
  );
  expect((await built.end()).code, built.report()).toBe(0);
  run = built.run;
  artifact = String(built.lines.at(-1)?.artifact);
});

describe('an artifact store', () => {
  it('keeps what a verdict proves: the tree, its logs and the bundle', async () => {
    await until('the store to keep it', async () =>
      store.all('kept').some(({ data }) => (data as { level: string }).level === 'trusted'),
    );
    expect(store.all('kept').at(-1)).toMatchObject({ data: { run, tree: artifact, level: 'trusted' } });
    const pins = await readdir(join(cluster.home('depot'), 'store', 'pins'));
    expect(pins).toContain(artifact);
    expect(pins.length).toBeGreaterThan(1);
  });

  it('serves it by HTTP, with its level, its bundle and the verdict', async () => {
    const verdicts = await (await fetch(`http://${url}/v1/${cluster.project}/verdicts`)).json();
    expect(verdicts).toMatchObject([{ request: run, level: 'trusted', artifact }]);
    const bundle = await fetch(`http://${url}/v1/${cluster.project}/bundle/${artifact}`);
    expect(await bundle.json()).toMatchObject({ verdict: expect.any(String) });
    const car = await fetch(`http://${url}/ipfs/${artifact}?format=car`);
    expect(car.headers.get('quorate-level')).toBe('trusted');
    expect(Buffer.from(await car.arrayBuffer()).includes('echo first')).toBe(true);
  });

  it('is all that a consumer needs: controller and workers are away, and fetch and verify hold', async () => {
    await Promise.all([...cluster.workers.values()].map((worker) => worker.stop()));
    await cluster.control.stop();
    const fetched = await cluster.fetch(artifact, 'alone', '--bundle-out', join(cluster.dir, 'proof.json'));
    expect(fetched.code, fetched.report).toBe(0);
    expect(fetched.lines.at(-1)).toMatchObject({ controllerUsed: false, verification: { level: 'trusted' } });
    const folder = cluster.fetched('alone');
    const words = [
      'verify',
      folder,
      '--bundle',
      join(cluster.dir, 'proof.json'),
      '--project',
      cluster.project,
    ];
    const verified = await cluster.cli(words, { home: 'stranger', cwd: cluster.dir });
    expect(verified.code, verified.report).toBe(0);
  });

  it('goes on where it was when it is started again', async () => {
    await store.stop();
    store = await serve('depot');
    expect(store.all('listening')).toMatchObject([{ trees: 1 }]);
    const fetched = await cluster.fetch(artifact, 'again');
    expect(fetched.code, fetched.report).toBe(0);
  });
});
