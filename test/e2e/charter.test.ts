import { readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { program } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';

let cluster: LocalCluster;

beforeAll(async () => {
  cluster = await LocalCluster.start({ volunteers: ['ada', 'ben', 'cyd'], trusted: true });
});

/** Signs a charter with these servers, and waits until the controller that runs holds to it. */
async function allow(...hosts: string[]): Promise<number> {
  const answer = await cluster.cli(['charter', 'set', ...hosts.flatMap((host) => ['--vcs', host])]);
  expect(answer.lines, answer.report).toMatchObject([{ changed: true, vcs: hosts }]);
  const { epoch } = answer.lines[0] as { epoch: number };
  if (cluster.control.alive)
    await cluster.control.event('charter', { where: ({ says }) => String(says).endsWith(`epoch ${epoch}`) });
  return epoch;
}

it('what the root key signs next holds for a running controller and its workers, and after a restart', async () => {
  const here = `127.0.0.1:${cluster.git.port}`;
  const url = await cluster.git.commit('tool', program('tool'));
  // The first epoch is of the project's start, the second names its trusted worker.
  expect(await allow('git.example.org')).toBe(3);
  const refused = await cluster.cli(['run', url]);
  expect([refused.code, refused.error], refused.report).toEqual([2, 'SOURCE_HOST_NOT_ALLOWED']);

  // Workers have not heard of this one before the offer comes.
  await allow('git.example.org', here);
  const run = await cluster.submit(url);
  expect((await run.end()).code, run.report()).toBe(0);
  expect(run.lines.at(-1)).toMatchObject({ event: 'verdict', level: 'trusted' });

  await cluster.control.stop();
  await allow('git.example.org');
  await cluster.startController();
  const again = await cluster.cli(['run', url]);
  expect([again.code, again.error], again.report).toEqual([2, 'SOURCE_HOST_NOT_ALLOWED']);

  // The documents of the first job have left memory; what is over is told and proven as before, by its bundle.
  const file = join(cluster.projectDir, '.quorate', 'bundles', `${run.run}.json`);
  const stored = await readFile(file, 'utf8');
  await expectTold(run.run, String(run.lines.at(-1)?.artifact), 'first');

  // Where the bundles are lost, they are made again of the journal, under the charter of then.
  await cluster.control.stop();
  await rm(dirname(file), { recursive: true });
  await cluster.startController();
  await cluster.control.event('bundle');
  await cluster.control.event('verdict');
  expect(await readFile(file, 'utf8')).toBe(stored);
  await expectTold(run.run, String(run.lines.at(-1)?.artifact), 'second');
});

/** A finished job is shown with its history, its logs and its artifact; the bundle verifies and can be exported. */
async function expectTold(run: string, artifact: string, to: string): Promise<void> {
  const bundle = join(cluster.dir, `${to}.bundle`);
  const shown = await cluster.cli(['show', run]);
  expect(shown.lines[0], shown.report).toMatchObject({ summary: { run, level: 'trusted', artifact } });
  expect(JSON.stringify(shown.lines[0])).toContain('"delivered"');
  const logs = await cluster.cli(['logs', run]);
  expect(logs.code, logs.report).toBe(0);
  const fetched = await cluster.fetch(artifact, to, '--bundle-out', bundle);
  expect(fetched.code, fetched.report).toBe(0);
  const of = ['--project', cluster.project];
  const verified = await cluster.cli(['verify', cluster.fetched(to), '--bundle', bundle, ...of]);
  expect(verified.lines[0], verified.report).toMatchObject({ ok: true, level: 'trusted' });
  const out = join(cluster.dir, `${to}-exported`);
  const exported = await cluster.cli(['export', bundle, ...of, '--in-toto', '-o', out]);
  expect(exported.code, exported.report).toBe(0);
}
