import { createHash } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import type { Answer } from './support/any-cluster.ts';
import { git } from './support/git.ts';
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

it('the next charter holds for a running controller and its workers, and after a restart', async () => {
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

  // Where the bundles are lost, they are made again of the journal, under the charter of then, for whoever asks first.
  await cluster.control.stop();
  await rm(dirname(file), { recursive: true });
  await cluster.startController();
  expect(await cluster.control.event('bundle')).toMatchObject({ data: { runs: 1 } });
  await expectTold(run.run, String(run.lines.at(-1)?.artifact), 'second');
  expect(await readFile(file, 'utf8')).toBe(stored);
  expect(await readdir(dirname(file))).toHaveLength(3);
});

it('a job file of another repository builds an upstream as it is, where the charter allows that and a consumer accepts it', async () => {
  await allow(`127.0.0.1:${cluster.git.port}`);
  const { 'quorate.yaml': job = '', ...files } = program('from outside');
  const source = await cluster.git.commit('upstream', files);
  const recipes = await cluster.git.commit('recipes', { 'of/upstream.yaml': job });
  const clone = join(cluster.dir, 'recipes');
  await git(cluster.dir, 'clone', '--quiet', recipes, clone);
  const file = join(clone, 'of', 'upstream.yaml');
  const refused = await cluster.cli(['run', source, '--file', file]);
  expect([refused.code, refused.error], refused.report).toEqual([2, 'RECIPE_NOT_ALLOWED']);
  const set = await cluster.cli(['charter', 'set', '--recipes', 'outside']);
  expect(set.lines, set.report).toMatchObject([{ changed: true, recipes: 'outside' }]);
  await cluster.control.event('charter', {
    where: ({ says }) => String(says).endsWith(`epoch ${set.lines[0]?.epoch}`),
  });

  const run = await cluster.submit(source, '--file', file);
  expect((await run.end()).code, run.report()).toBe(0);
  const verdict = run.lines.at(-1);
  expect(verdict).toMatchObject({ event: 'verdict', level: 'trusted' });
  const artifact = String(verdict?.artifact);
  const commit = await git(clone, 'rev-parse', 'HEAD');
  const sha256 = createHash('sha256').update(job).digest('hex');
  const recipe = { repo: recipes, commit, path: 'of/upstream.yaml', sha256 };
  expect(run.all('accepted')).toMatchObject([{ repo: source, recipe }]);
  const shown = await cluster.cli(['show', run.run], { plain: true });
  expect(shown.report).toContain(`by the job file ${recipes}@${commit}:of/upstream.yaml`);

  // A consumer that holds to the source takes its own job file, unless told otherwise.
  const bundle = join(cluster.dir, 'outside.bundle');
  const held = await cluster.refusedFetch(artifact, 'held', '--source', source);
  expect([held.code, held.error], held.report).toEqual([1, 'NOT_TRUSTED']);
  expect(held.report).toContain('RECIPE_MISMATCH');
  const accepted = ['--source', source, '--recipe', `${recipes}:of/upstream.yaml`];
  const fetched = await cluster.fetch(artifact, 'outside', ...accepted, '--bundle-out', bundle);
  expect(fetched.code, fetched.report).toBe(0);
  const verify = (...more: string[]) =>
    cluster.cli([
      'verify',
      cluster.fetched('outside'),
      '--bundle',
      bundle,
      '--project',
      cluster.project,
      ...more,
    ]);
  const says = ({ code, lines }: Answer) => [code, lines[0]?.ok, lines[0]?.code];
  expect(says(await verify())).toEqual([0, true, null]);
  expect(says(await verify('--source', source))).toEqual([1, false, 'RECIPE_MISMATCH']);
  const at = (of: string) => verify('--source', source, '--recipe', `${recipes}@${of}:of/upstream.yaml`);
  expect((await at(commit)).lines[0]).toMatchObject({ ok: true, level: 'trusted', facts: { recipe } });
  expect(says(await at('0'.repeat(40)))).toEqual([1, false, 'RECIPE_MISMATCH']);

  // And who has the file need not believe the publisher that it says this.
  const own = await verify('--job-file', file);
  expect(own.lines[0]?.steps, own.report).toContainEqual({
    step: 'job file',
    ok: true,
    code: null,
    says: 'The job file says the same of build.',
  });
  const otherFile = join(cluster.dir, 'other.yaml');
  await writeFile(otherFile, `${job}\n`);
  expect(says(await verify('--job-file', otherFile))).toEqual([1, false, 'JOB_FILE_MISMATCH']);

  // A commit that others cannot find is not published.
  await writeFile(file, `${job}\n`);
  const changed = await cluster.cli(['run', source, '--file', file]);
  expect([changed.code, changed.error], changed.report).toEqual([2, 'SOURCE_FILE_NOT_COMMITTED']);
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
