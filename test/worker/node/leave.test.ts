import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openJournal } from '../../../src/journal/index.ts';
import { openBundles } from '../../../src/node/artifacts/bundles.ts';
import { type Home, openHome } from '../../../src/node/membership/home.ts';
import type { Membership } from '../../../src/protocol/sessions/credentials.ts';
import { openStore } from '../../../src/store/index.ts';
import { leaveProject } from '../../../src/worker/node/leave.ts';
import { pinOfResults } from '../../../src/worker/node/results.ts';
import { tar } from '../../store/support.ts';
import { folder } from '../../support/code-and-folder.ts';

const membership = (project: string): Membership => ({
  project,
  name: project,
  operator: 'ada',
  role: 'worker',
  charter: 'a.b.c',
  grant: 'd.e.f',
  controllers: [{ id: 'x', addrs: [] }],
  bootstrap: [],
});

/** The charter of a project, in a bundle. */
const bundleOf = (project: string): string => {
  const charter = Buffer.from(JSON.stringify({ project })).toString('base64url');
  return JSON.stringify({ charter: `a.${charter}.c` });
};

/** A home whose worker built one artifact for each project. */
async function homeOf(...projects: string[]): Promise<{ home: Home; roots: string[] }> {
  const home = openHome(join(await folder(), 'home'));
  await home.key();
  const store = await openStore({ dir: join(home.dir, 'store') });
  const bundles = openBundles(join(home.dir, 'bundles'));
  const roots: string[] = [];
  for (const project of projects) {
    await home.save(membership(project));
    const entries = await tar([{ name: 'file', body: project }]);
    const { root } = await store.importTar(entries, { into: store.public });
    await store.pin([root], pinOfResults);
    await bundles.put({ run: `baguqeerarun${project}`, job: null, artifact: root }, bundleOf(project));
    roots.push(root);
    openJournal(join(home.dir, `worker-${project}.db`), { name: 'worker', rules: 1 }).close();
    for (const name of [`witness-${project}.json`, `log-${project}.txt`])
      await writeFile(join(home.dir, name), '{}');
  }
  await store.close();
  for (const name of ['revocations', 'image-cache', 'sandbox', 'tmp-x'])
    await mkdir(join(home.dir, name), { recursive: true });
  for (const name of ['worker.toml', 'peers.json', 'tiers.json']) await writeFile(join(home.dir, name), '');
  return { home, roots };
}

const left = async ({ dir }: Home): Promise<string[]> => (await readdir(dir)).sort();

it('leaves the key, worker.toml and revocations where a home is of no other project', async () => {
  const { home } = await homeOf('one');
  await leaveProject(home, 'one');
  expect(await left(home)).toEqual(['node.key', 'projects', 'revocations', 'worker.toml']);
  expect(await home.memberships()).toEqual([]);
});

it('leaves what is of another project of the home', async () => {
  const { home, roots } = await homeOf('one', 'two');
  await leaveProject(home, 'one');
  expect((await home.memberships()).map(({ project }) => project)).toEqual(['two']);
  expect((await left(home)).filter((name) => name.includes('one'))).toEqual([]);
  expect(await left(home)).toEqual(expect.arrayContaining(['image-cache', 'log-two.txt', 'worker-two.db']));
  const names = await openBundles(join(home.dir, 'bundles')).names();
  expect([...names].sort()).toEqual(['baguqeeraruntwo', roots[1] ?? ''].sort());
  const store = await openStore({ dir: join(home.dir, 'store') });
  expect((await store.pins()).map(({ root }) => root)).toEqual([roots[1]]);
  await store.close();
});

it('leaves the results where a worker of another project has the store open', async () => {
  const { home, roots } = await homeOf('one', 'two');
  const store = await openStore({ dir: join(home.dir, 'store') });
  await leaveProject(home, 'one');
  expect((await store.pins()).map(({ root }) => root).sort()).toEqual([...roots].sort());
  await store.close();
  expect((await home.memberships()).map(({ project }) => project)).toEqual(['two']);
});

it.each(['watch-one.db', 'store-one.json', 'controller.db'])(
  'leaves what %s says another process of the home may need',
  async (file) => {
    const { home } = await homeOf('one');
    await writeFile(join(home.dir, file), '');
    await leaveProject(home, 'one');
    expect(existsSync(join(home.dir, 'store'))).toBe(true);
    expect(await home.memberships()).toEqual([]);
  },
);

it('removes nothing while a worker has the journal, and a damaged one is no hindrance', async () => {
  const { home } = await homeOf('one');
  const before = await left(home);
  const file = join(home.dir, 'worker-one.db');
  const journal = openJournal(file, { name: 'worker', rules: 1 });
  await expect(leaveProject(home, 'one')).rejects.toMatchObject({ code: 'JOURNAL_IN_USE' });
  journal.close();
  expect((await left(home)).filter((name) => !name.startsWith('worker-one.db-'))).toEqual(before);
  await writeFile(file, 'no database');
  await leaveProject(home, 'one');
  expect(existsSync(file)).toBe(false);
});

it('leaves nothing undone where the home or its store cannot be used: it stays a member', async () => {
  const { home } = await homeOf('one', 'two');
  await rm(join(home.dir, 'store'), { recursive: true });
  await writeFile(join(home.dir, 'store'), 'no folder');
  await expect(leaveProject(home, 'one')).rejects.toThrow(Error);
  expect((await home.memberships()).map(({ project }) => project)).toEqual(['one', 'two']);
  await rm(home.dir, { recursive: true });
  await expect(leaveProject(home, 'one')).rejects.toMatchObject({ code: 'HOME_UNWRITABLE' });
});

it('opens no store for a project that has no results', async () => {
  const { home } = await homeOf('two');
  await home.save(membership('one'));
  await rm(join(home.dir, 'store'), { recursive: true });
  await leaveProject(home, 'one');
  expect(existsSync(join(home.dir, 'store'))).toBe(false);
});
