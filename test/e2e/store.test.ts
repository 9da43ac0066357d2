import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../examples/demo/free-port.ts';
import { program } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';
import type { Line, Told } from './support/told.ts';

let cluster: LocalCluster;
let store: Told & { stop(): Promise<unknown> };
let url = '';

const limits = 'limits: {memory: 256MiB, disk: 64MiB, time: 2m}';
/** The second job reads what the first one made. */
const file = `
jobs:
  lib: {run: ['echo first > "$OUT/lib"'], ${limits}}
  app: {needs: {lib: agreed}, run: ['cat /build/in/lib/lib > "$OUT/app"'], ${limits}}
`;
const of = (run: Told, event: string, name: string): Line[] =>
  run.all(event).filter((line) => line.name === name);
const pinsOf = async (folder: string) => {
  const log = await readFile(join(folder, 'store', 'pins.log'), 'utf8');
  return [...log.matchAll(/^[0-9a-f]{8} pin (\S+)/gm)].map(([, root]) => root);
};

async function serve(name: string, ...more: string[]) {
  const words = ['store', 'serve', '--project', cluster.project, '--listen', '/ip4/127.0.0.1/tcp/0'];
  const where = ['--bootstrap', cluster.bootstrapAddress ?? ''];
  const node = cluster.start(name, [...words, ...where, ...more], { home: name, cwd: cluster.dir });
  await node.event('listening');
  return node;
}

const artifacts: Record<string, string> = {};

beforeAll(async () => {
  cluster = await LocalCluster.start({ bootstrap: true, slotWait: '1s' });
  url = `127.0.0.1:${await freePort()}`;
  store = await serve('depot', '--http', url);
  await store.event('connected');
  const [{ addresses = [] } = {}] = store.all('listening') as { addresses?: string[] }[];
  await cluster.control.stop();
  cluster.controllerArgs.push('--store', addresses[0] ?? '');
  await cluster.startController();
  await Promise.all([cluster.volunteer('ada'), cluster.volunteer('ben'), cluster.trusted()]);
});

describe('a controller that keeps no bytes, and its artifact store', () => {
  it('take a pipeline to trusted: the store holds each artifact before its verdict, and workers read from there', async () => {
    const run = cluster.start('quorate run', [
      'run',
      await cluster.git.commit('pipeline', { 'quorate.yaml': file }),
    ]);
    expect((await run.end()).code, run.report()).toBe(0);
    for (const name of ['lib', 'app']) {
      const verdicts = of(run, 'verdict', name);
      expect(verdicts.at(-1)).toMatchObject({ level: 'trusted' });
      artifacts[name] = String(verdicts.at(-1)?.artifact);
      const held = store.all('held').find(({ data }) => (data as { tree: string }).tree === artifacts[name]);
      expect(held).toMatchObject({ data: { run: of(run, 'submitted', name)[0]?.run } });
    }
    expect(await pinsOf(join(cluster.projectDir, '.quorate'))).toEqual([]);
  });

  it('keeps what the verdict proves: the tree, its logs and the bundle', async () => {
    const kept = (name: string) =>
      store.all('kept').some(({ data }) => {
        const { tree, level } = data as { tree: string; level: string };
        return tree === artifacts[name] && level === 'trusted';
      });
    await store.told('both are kept', () => kept('lib') && kept('app'));
    const pins = await pinsOf(cluster.home('depot'));
    for (const tree of Object.values(artifacts)) expect(pins).toContain(tree);
    expect(pins.length).toBeGreaterThan(2);
  });

  it('serves it by HTTP, with its level, its bundle and the verdict', async () => {
    const { app = '' } = artifacts;
    const verdicts = await (await fetch(`http://${url}/v1/${cluster.project}/verdicts`)).json();
    expect(verdicts).toContainEqual(expect.objectContaining({ level: 'trusted', artifact: app }));
    const bundle = await fetch(`http://${url}/v1/${cluster.project}/bundle/${app}`);
    expect(await bundle.json()).toMatchObject({ verdict: expect.any(String) });
    const car = await fetch(`http://${url}/ipfs/${app}?format=car`);
    expect(car.headers.get('quorate-level')).toBe('trusted');
    expect(Buffer.from(await car.arrayBuffer()).includes('first')).toBe(true);
  });

  it('publishes nothing while the store is away, and goes on when it is back', async () => {
    const [{ addresses = [] } = {}] = store.all('listening') as { addresses?: string[] }[];
    await store.stop();
    const run = await cluster.submit(
      await cluster.git.commit('second', program('second')),
      '--until',
      'trusted',
    );
    await run.told('it waits for the store', () =>
      run.all('unconfirmed').some(({ says }) => String(says).includes('artifact store')),
    );
    expect(run.all('verdict')).toEqual([]);
    const [, port = ''] = /\/tcp\/(\d+)\//.exec(addresses[0] ?? '') ?? [];
    store = await serve('depot', '--listen', `/ip4/127.0.0.1/tcp/${port}`);
    expect((await run.end()).code, run.report()).toBe(0);
  });

  it('is all that a consumer needs: controller and workers are away, and fetch and verify hold', async () => {
    await Promise.all([...cluster.workers.values()].map((worker) => worker.stop()));
    await cluster.control.stop();
    const proof = join(cluster.dir, 'proof.json');
    const fetched = await cluster.fetch(artifacts.app ?? '', 'alone', '--bundle-out', proof);
    expect(fetched.code, fetched.report).toBe(0);
    expect(fetched.lines.at(-1)).toMatchObject({ controllerUsed: false, verification: { level: 'trusted' } });
    const words = ['verify', cluster.fetched('alone'), '--bundle', proof, '--project', cluster.project];
    const verified = await cluster.cli(words, { home: 'stranger', cwd: cluster.dir });
    expect(verified.code, verified.report).toBe(0);
  });
});
