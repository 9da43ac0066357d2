import { copyFile, link, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { treeCid } from '../../../simulations/paperwork.ts';
import { bundlesView } from '../../../src/controller/node/bundles-view.ts';
import { controllerNodeLimits } from '../../../src/controller/node/limits.ts';
import { pageApp } from '../../../src/controller/page/page-app.ts';
import { Live } from '../../../src/http/kit/live.ts';
import { wholeApp } from '../../../src/http/listen.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { encodeBundle, moreOfPush, type Outcome } from '../../../src/protocol/documents/index.ts';
import { makeProject, project, type Recipe, testKey } from '../../support/project.ts';
import { withLimits } from '../../support/with-limits.ts';

const artifact = treeCid('what three operators built');
const outcome: Outcome = { kind: 'exit', code: 0, artifact };
const different: Outcome = { kind: 'exit', code: 0, artifact: treeCid('something else') };

async function folderOf(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-bundles-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const { bundle } = await makeProject({
    runs: [
      { operator: 'ada', outcome },
      { operator: 'bob', outcome },
      { operator: 'cyd', outcome: different },
    ],
    own: { operator: 'owner', outcome },
  });
  await writeFile(join(dir, 'tool.bundle'), encodeBundle(bundle));
  return dir;
}

it('bundles alone make pages, each verified, and what proves nothing is left out and named', async () => {
  const dir = await folderOf();
  // As a controller keeps them: one file under several names.
  await link(join(dir, 'tool.bundle'), join(dir, 'again.json'));
  await copyFile(join(dir, 'tool.bundle'), join(dir, 'copy.json'));
  await writeFile(join(dir, 'nonsense.json'), '{"v":1}');
  const refused: string[] = [];
  const options = {
    dir,
    files: await readdir(dir),
    revocations: [],
    onRefused: (file: string) => void refused.push(file),
  };
  const view = await bundlesView({ ...options, project });
  expect(refused).toEqual(['nonsense.json']);
  expect(view.counts()).toMatchObject({ all: 1, trusted: 1 });

  const live = new Live();
  onTestFinished(() => live.close());
  const app = wholeApp(pageApp({ view, live }));
  const get = async (path: string) => (await app.request(path)).text();
  const [run] = view.runs({}).runs;
  expect(await get('/')).toContain(`/runs/${run?.run}`);
  const page = await get(`/runs/${run?.run}`);
  expect(page).toContain('<span class="chip trusted">trusted</span>');
  expect(page).toContain(`quorate fetch ${artifact}`);
  expect(page).toMatch(/✓ same <span class="quiet">2 operators<.*✗ differs <span class="quiet">1 operator</s);
  expect((await app.request('/runs/0000000000')).status).toBe(404);

  // Of another project nothing is proven.
  const other = await bundlesView({ ...options, project: testKey('mallory').id });
  expect(other.counts().all).toBe(0);
  expect(refused).toContain('again.json');
});

/** Bundles of jobs by their names, each of a request that was changed, in a folder. */
async function folderWith(jobs: readonly { name: string; recipe?: Recipe }[]): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-bundles-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  for (const [n, { name, recipe }] of jobs.entries()) {
    const runs = ['ada', 'bob', 'cyd'].map((operator) => ({ operator, outcome }));
    const { bundle } = await makeProject({
      job: { name },
      runs,
      own: { operator: 'owner', outcome },
      ...recipe,
    });
    await writeFile(join(dir, `${n}.bundle`), encodeBundle(bundle));
  }
  return dir;
}

const viewOf = async (dir: string, onRefused: (file: string, why: string) => void = () => {}) =>
  bundlesView({ dir, project, revocations: [], onRefused, files: await readdir(dir) });

it('runs are listed by pages, branch, job and level, and found by what they are about', async () => {
  withLimits(controllerNodeLimits, { pageRunsMax: 2 });
  const other = (ref: string): Recipe => ({ request: (valid) => ({ ...valid, ref }) });
  const failed = { kind: 'exit', code: 3, artifact: null } as const;
  const dir = await folderWith([
    { name: 'app' },
    { name: 'app', recipe: other('refs/heads/next') },
    { name: 'lib' },
    {
      name: 'doc',
      recipe: {
        runs: ['ada', 'bob', 'cyd'].map((operator) => ({ operator, outcome: failed })),
        own: { operator: 'owner', outcome: failed },
      },
    },
  ]);
  const view = await viewOf(dir);
  expect(view.counts()).toMatchObject({ all: 4, trusted: 3, failed: 1, agreed: 0 });
  const names = (filter: Parameters<typeof view.runs>[0], before?: number) => {
    const { runs, next } = view.runs(filter, before);
    return [runs.map(({ name }) => name).sort(), next];
  };
  expect(view.runs({}).runs).toHaveLength(2);
  expect([view.runs({}).next, view.runs({}, 2).runs.length, view.runs({}, 2).next]).toEqual([
    2,
    2,
    undefined,
  ]);
  expect(names({ ref: 'refs/heads/next' })).toEqual([['app'], undefined]);
  expect(names({ name: 'app' })).toEqual([['app', 'app'], undefined]);
  expect(names({ name: 'lib', listState: 'trusted' })).toEqual([['lib'], undefined]);
  expect(names({ name: 'lib', listState: 'failed' })).toEqual([[], undefined]);
  expect(names({ listState: 'failed' })).toEqual([['doc'], undefined]);
  const [doc] = view.runs({ listState: 'failed' }).runs;
  const [lib] = view.runs({ name: 'lib' }).runs;
  expect([doc?.tally, lib?.tally]).toEqual([undefined, { ended: 3, failed: 0, same: 3 }]);
  const branches = view.branches().map(({ ref, jobs }) => [ref, jobs.map(({ name }) => name).sort()]);
  expect(branches.sort()).toEqual([
    ['refs/heads/main', ['app', 'doc', 'lib']],
    ['refs/heads/next', ['app']],
  ]);
  expect(view.branch('refs/heads/next')?.jobs).toHaveLength(1);
  expect(view.branch('refs/heads/none')).toBeUndefined();
  for (const which of [lib?.run, lib?.job]) expect(view.run(which ?? '').summary).toEqual(lib);
  expect(view.run(artifact).summary.artifact).toBe(artifact);
  expect(() => view.run('none')).toThrow(expect.objectContaining({ code: 'JOB_UNKNOWN' }));
  expect([view.version(lib?.run ?? ''), view.version('none')]).toEqual([lib?.run, undefined]);
});

it('a file is read up to the size of the largest bundle, and so many files of a folder', async () => {
  const dir = await folderWith([{ name: 'app' }, { name: 'lib' }]);
  await mkdir(join(dir, 'folder'));
  const [first, second] = await Promise.all(['0', '1'].map((name) => stat(join(dir, `${name}.bundle`))));
  const [smaller, larger] = [first?.size ?? 0, second?.size ?? 0].sort((a, b) => a - b) as [number, number];
  const refused: string[] = [];
  const all = async () =>
    (await viewOf(dir, (file, why) => void refused.push(`${file} ${why}`))).counts().all;
  withLimits(limits, { bundleBytesMax: larger });
  expect([await all(), refused]).toEqual([2, []]);
  withLimits(limits, { bundleBytesMax: smaller - 1 });
  expect([await all(), refused.splice(0)]).toEqual([
    0,
    ['0.bundle it is larger than a bundle can be', '1.bundle it is larger than a bundle can be'],
  ]);
  withLimits(limits, { bundleBytesMax: larger });
  withLimits(controllerNodeLimits, { pageBundlesMax: 1 });
  expect([await all(), refused]).toEqual([1, []]);
});

it('a push has subject, author and publisher of its requests, and one that was published again is another', async () => {
  const pushed = (name: string, push: string): { name: string; recipe: Recipe } => ({
    name,
    recipe: {
      request: (valid) => ({ ...valid, more: moreOfPush({ push, subject: 'Trim <it>', author: 'Ada' }) }),
    },
  });
  const dir = await folderWith([
    pushed('app', 'push-one'),
    pushed('lib', 'push-one'),
    pushed('doc', 'push-two'),
    { name: 'old' },
  ]);
  const view = await viewOf(dir);
  const { pushes } = view.pushes({});
  expect(pushes.map(({ jobs }) => jobs.map(({ name }) => name).sort()).sort()).toEqual([
    ['app', 'lib'],
    ['doc'],
    ['old'],
  ]);
  const of = (job: string) => pushes.find(({ jobs }) => jobs.some(({ name }) => name === job));
  expect(of('app')).toMatchObject({ subject: 'Trim <it>', author: 'Ada', publisher: 'owner' });
  expect(of('old')).not.toHaveProperty('subject');
  const live = new Live();
  onTestFinished(() => live.close());
  const app = wholeApp(pageApp({ view, live }));
  for (const path of ['/', `/runs/${of('app')?.jobs[0]?.run}`])
    expect(await (await app.request(path)).text()).toMatch(
      /Trim &lt;it&gt;.*published by <strong>owner<\/strong>.*commit by <span class="claimed">Ada</s,
    );
});
