import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../examples/demo/free-port.ts';
import type { Inside } from './support/inside.ts';
import { program } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';
import { until } from './support/wait.ts';

let cluster: LocalCluster;
let url = '';
let cut: Inside[];

beforeAll(async () => {
  url = `http://127.0.0.1:${await freePort()}`;
  cluster = await LocalCluster.start({
    volunteers: ['ada'],
    slotWait: '10m',
    controllerArgs: ['--http', url.replace('http://', '')],
  });
  cut = await Promise.all(['ben', 'cleo'].map((name) => cluster.cutOff(name)));
});

describe('a controller with an HTTP feed', () => {
  it('says where it is, and serves the charter there', async () => {
    expect(cluster.control.all('listening')).toMatchObject([{ http: [url] }]);
    const response = await fetch(`${url}/v1/${cluster.project}/charter`);
    expect(response.status).toBe(200);
    const charter = await readFile(join(cluster.projectDir, '.quorate', 'charter.jws'), 'utf8');
    expect(await response.json()).toEqual({ charter: charter.trim() });
  });

  it('gives work to workers that gossip and feed stream do not reach', async () => {
    const run = await cluster.submit(
      await cluster.git.commit('remote', program('remote')),
      '--until',
      'agreed',
    );
    expect((await run.end()).code, run.report()).toBe(0);
    const operators = run.all('delivered').map(({ operator }) => operator);
    expect(operators.sort()).toEqual(['ada', 'ben', 'cleo']);
    for (const node of cut) {
      expect(await node.event('offer')).toMatchObject({ data: { via: 'http' } });
      expect(node.all('connected')).toEqual([]);
    }
    // Or by the feed, where the answer to a poll came first.
    const { data } = await cluster.worker('ada').event('offer');
    expect(['gossip', 'backlog']).toContain((data as { via: string }).via);

    const { artifact } = run.lines.at(-1) ?? {};
    // A list is up to a quarter of a second old.
    const verdicts = await until('the verdict', async () => {
      const list = await (await fetch(`${url}/v1/${cluster.project}/verdicts`)).json();
      return list.length > 0 && list;
    });
    expect(verdicts).toMatchObject([{ request: run.run, level: 'agreed', artifact }]);
    // Told first, then assembled and written.
    const bundle = await until('the bundle', async () => {
      const answer = await fetch(`${url}/v1/${cluster.project}/bundle/${String(artifact)}`);
      return answer.ok && answer.json();
    });
    expect(bundle).toMatchObject({ verdict: expect.any(String) });
    const car = await fetch(`${url}/ipfs/${String(artifact)}?format=car`);
    expect(Buffer.from(await car.arrayBuffer()).includes('echo remote')).toBe(true);

    await expectPages(String(run.run), String(artifact));

    // Its disk damages it.
    const file = join(cluster.projectDir, '.quorate', 'bundles', `${run.run}.json`);
    await writeFile(file, (await readFile(file, 'utf8')).replace('"v":1', '"v":2'));
    const refused = await until('the refusal', async () => {
      const answer = await fetch(`${url}/v1/${cluster.project}/bundle/${run.run}`);
      return !answer.ok && answer.json();
    });
    expect(refused).toMatchObject({ error: { code: 'BUNDLE_DAMAGED' } });
    const told = await cluster.control.event('bundle');
    expect(told).toMatchObject({ data: { code: 'BUNDLE_DAMAGED', run: run.run } });
    await expect(readFile(file)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

/** The same in a browser: the project, the run, a log and a file of it, and what it was made from. */
async function expectPages(run: string, artifact: string): Promise<void> {
  const get = async (path: string) => {
    const answer = await fetch(`${url}${path}`);
    expect([path, answer.status]).toEqual([path, 200]);
    return answer.text();
  };
  expect(await get('/')).toContain(`href="/runs/${run}"`);
  const page = await get(`/runs/${run}`);
  expect(page).toContain('<span class="chip agreed">agreed</span>');
  expect(page).toContain(`quorate fetch ${artifact} -o`);
  const log = /href="(\/runs\/[0-9a-f]{64}\/logs\/[0-9a-f]{64})"/.exec(page)?.[1] ?? '';
  expect(await get(log)).toContain('quorate: step 1 of');
  const file = /href="(\/trees\/[^"]+say)"/.exec(page)?.[1] ?? '';
  expect(await get(file)).toBe('#!/bin/sh\necho remote\n');
  expect((await get(`/trees/${artifact}.tar`)).includes('echo remote')).toBe(true);
  expect(JSON.parse(await get(`/trees/${artifact}.cdx.json`))).toMatchObject({ bomFormat: 'CycloneDX' });
}
