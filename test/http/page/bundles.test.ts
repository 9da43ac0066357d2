import { copyFile, link, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { treeCid } from '../../../simulations/paperwork.ts';
import { encodeBundle, type Outcome } from '../../../src/core/documents/index.ts';
import { Live } from '../../../src/http/page/live.ts';
import { pageApp } from '../../../src/http/page/page-app.ts';
import { wholeApp } from '../../../src/http/whole-app.ts';
import { bundlesView } from '../../../src/runtime/controller/bundles-view.ts';
import { makeProject, project, testKey } from '../../support/project.ts';

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
  expect(page.match(/✓ same/g)).toHaveLength(2);
  expect(page.match(/✗ differs/g)).toHaveLength(1);
  expect((await app.request('/runs/0000000000')).status).toBe(404);

  // Of another project nothing is proven.
  const other = await bundlesView({ ...options, project: testKey('mallory').id });
  expect(other.counts().all).toBe(0);
  expect(refused).toContain('again.json');
});
