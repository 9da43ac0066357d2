import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { groupPrefix, recordJob } from '../../../sandbox/cgroups/leftovers.ts';
import { openSource } from '../../../src/cli/up/local-source.ts';
import { discardUnbegun, openPlayed, sandboxOf } from '../../../src/cli/up/played-project.ts';
import { openJournal } from '../../../src/journal/index.ts';
import { checkOwnPlayed, playedHomes } from '../../../src/owner/played.ts';
import { findProject, openProject, projectHere } from '../../../src/owner/project.ts';
import { changeCharter, defaultFloor, initProject } from '../../../src/owner/project-folder.ts';
import { tellServed } from '../../../src/owner/served-source.ts';
import { codeOf } from '../../../src/protocol/base/errors.ts';
import { commitAll, git, repo } from '../../source/support.ts';
import { ending, start } from '../support.ts';

const floor = { ...defaultFloor, agree: 3, of: 4 };
const first = { name: 'tools', vcs: ['git.example.org'], bootstrap: [], floor };

it('a project that is played has the policies of the project, and leaves its charter as it is', async () => {
  const root = await repo();
  const own = await initProject(root, first);
  const charter = () => readFileSync(join(own.dir, 'charter.jws'), 'utf8');
  const before = charter();
  const played = await openPlayed(root);
  const source = await openSource(root, played);
  onTestFinished(() => source.close());
  expect(source.folder.charter).toMatchObject({ name: 'tools', floor });
  expect(source.folder.charter.vcs).toEqual(['git.example.org', new URL(source.url).host]);
  expect(charter()).toBe(before);
  const { controller, idp } = source.folder;
  expect([source.folder.project, controller.id, idp.id]).not.toContainEqual(own.project);
  // It follows the project, and keeps the port that its open jobs name.
  await changeCharter(own, { vcs: [], floor: { ...defaultFloor, rounds: 5 } });
  expect((await openPlayed(root)).charter).toMatchObject({
    floor: { agree: 2, of: 3, rounds: 5 },
    vcs: [new URL(source.url).host],
  });
  expect((await openPlayed(root)).project).toBe(played.project);
});

it('removing what was played begins it anew', async () => {
  const root = await repo();
  const { project } = await openPlayed(root);
  await rm(join(root, '.quorate', 'up'), { recursive: true });
  expect((await openPlayed(root)).project).not.toBe(project);
});

it('commands are about what is played while it runs, and acts of the owner never are', async () => {
  const root = await repo();
  const played = await openPlayed(root);
  expect(playedHomes(played)).toBe(join(root, '.quorate', 'up'));
  expect((await projectHere(root))?.project).toBe(played.project);
  expect(await openProject(root).catch(codeOf)).toBe('PROJECT_NOT_FOUND');
  const own = await initProject(root, first);
  expect(playedHomes(own)).toBeUndefined();
  const used = async (wanted?: string) => (await projectHere(join(root, '.quorate'), wanted))?.project;
  expect(await used()).toBe(own.project);
  await tellServed(root, { url: 'git://127.0.0.1:1/tools', pid: process.pid });
  expect(await used()).toBe(own.project);
  const journal = openJournal(join(played.dir, 'controller.db'), { name: 'controller', rules: 3 });
  onTestFinished(() => journal.close());
  expect(await used()).toBe(played.project);
  expect(await used(own.project)).toBe(own.project);
  expect((await openProject(root)).project).toBe(own.project);
  // A repository of its own within is none of it.
  const inner = await initProject(join(root, 'inner'), first);
  expect((await projectHere(join(root, 'inner')))?.project).toBe(inner.project);
  const controller = start(['controller', '--listen', '/ip4/127.0.0.1/tcp/0'], { cwd: root });
  const ended = ending(controller);
  controller.stdout?.on('data', (text) => String(text).includes('Ctrl-C') && controller.kill('SIGINT'));
  expect(await ended).toMatchObject({ code: 0, err: expect.stringContaining('unless --project names') });
});

it('a first one that is declined leaves no file, and removes nothing of one that was started meanwhile', async () => {
  const root = await repo();
  await discardUnbegun(root);
  await mkdir(join(sandboxOf(root), 'vm'), { recursive: true });
  await discardUnbegun(root);
  expect(existsSync(join(root, '.quorate'))).toBe(false);
  // Its settings are the user's.
  await mkdir(sandboxOf(root), { recursive: true });
  await writeFile(join(root, '.quorate/up/worker.toml'), '');
  await discardUnbegun(root);
  expect(readdirSync(join(root, '.quorate/up'))).toEqual(['worker.toml']);
  const own = await initProject(root, first);
  const played = await openPlayed(root);
  await mkdir(sandboxOf(root));
  await discardUnbegun(root);
  expect([played.dir, own.dir, sandboxOf(root)].map(existsSync)).toEqual([true, true, true]);
});

it('a first one that is declined leaves the sandboxes of another one that looks at the machine', async () => {
  const root = await repo();
  const forget = recordJob(join(sandboxOf(root), 'sandbox'), `${groupPrefix}1-2`, []);
  await discardUnbegun(root);
  expect(readdirSync(join(sandboxOf(root), 'sandbox'))).toEqual([`${groupPrefix}1-2.json`]);
  forget();
  await discardUnbegun(root);
  expect(existsSync(join(root, '.quorate'))).toBe(false);
});

it('a first one that ends while it looks at the machine leaves nothing', async () => {
  const root = await repo();
  const up = start(['up', '--yes'], { cwd: root });
  const ended = ending(up);
  await expect.poll(() => existsSync(sandboxOf(root)), { interval: 5, timeout: 60_000 }).toBe(true);
  up.kill('SIGINT');
  expect(await ended).toMatchObject({ code: 130, err: expect.stringContaining('CLI_INTERRUPTED') });
  expect(existsSync(join(root, '.quorate'))).toBe(false);
});

it('one that came with the repository, or is of another user, is not used', async () => {
  const refused = async (root: string) => [
    await projectHere(root).catch(codeOf),
    await checkOwnPlayed(root).catch(codeOf),
  ];
  const foreign = ['PROJECT_FOREIGN', 'PROJECT_FOREIGN'];
  const root = await repo();
  await openPlayed(root);
  await checkOwnPlayed(root);
  expect(await projectHere(root)).toBeDefined();
  // Settings alone would be used by the next "quorate up".
  await writeFile(join(root, '.quorate/up/worker.toml'), '');
  git(root, 'add', '-f', '.quorate/up/worker.toml');
  expect(await refused(root)).toEqual(foreign);
  git(root, 'reset', '-q');
  await initProject(root, first);
  git(root, 'add', '-f', '.quorate/up/worker.toml');
  expect(await refused(root)).toEqual(foreign);
  git(root, 'rm', '-q', '--cached', '.quorate/up/worker.toml');
  await checkOwnPlayed(root);
  vi.spyOn(process, 'getuid').mockReturnValue((process.getuid?.() ?? 0) + 1);
  onTestFinished(() => void vi.restoreAllMocks());
  expect(await refused(root)).toEqual(foreign);
  vi.restoreAllMocks();
  // The folder as a link to another one.
  const linked = await repo();
  await mkdir(join(linked, 'kept'));
  await openPlayed(linked);
  await rename(join(linked, '.quorate'), join(linked, 'kept/dot'));
  await symlink('kept/dot', join(linked, '.quorate'));
  await writeFile(join(linked, '.gitignore'), 'kept\n');
  commitAll(linked);
  expect(await refused(linked)).toEqual(foreign);
  // Of a project in a folder of the repository.
  const inner = join(root, 'inner');
  await initProject(inner, first);
  await openPlayed(inner);
  await checkOwnPlayed(inner);
  git(root, 'add', '-f', 'inner/.quorate/up');
  expect(await refused(inner)).toEqual(foreign);
});

it('those of others around the repository are passed over, and what is not used is not checked', async () => {
  const around = await repo();
  await openPlayed(around);
  const inner = join(around, 'inner');
  await mkdir(inner);
  git(inner, 'init', '-q');
  const isForeign = (file: string) => vi.spyOn(process, 'getuid').mockReturnValue(lstatSync(file).uid + 1);
  onTestFinished(() => void vi.restoreAllMocks());
  expect(await projectHere(inner)).toBeDefined();
  isForeign(around);
  expect(await projectHere(inner)).toBeUndefined();
  expect(await projectHere(around).catch(codeOf)).toBe('PROJECT_FOREIGN');
  const own = await initProject(around, first);
  expect([await findProject(inner), await findProject(around)]).toEqual([undefined, around]);
  vi.restoreAllMocks();
  expect(await findProject(inner)).toBe(around);
  // One that came with the repository around does not stop work in an own project within.
  git(around, 'add', '-f', '.quorate/up');
  expect(await projectHere(inner).catch(codeOf)).toBe('PROJECT_FOREIGN');
  const nearer = await initProject(inner, first);
  expect((await projectHere(inner))?.project).toBe(nearer.project);
  expect(await projectHere(inner, own.project).catch(codeOf)).toBe('PROJECT_FOREIGN');
});

it('one is not used where git or the system cannot tell whether it is of this user', async () => {
  const root = await repo();
  await openPlayed(root);
  const refused = () => checkOwnPlayed(root).catch(codeOf);
  await writeFile(join(root, '.git/index'), 'no index');
  expect(await refused()).toMatch(/^SOURCE_/);
  await rm(join(root, '.git'), { recursive: true });
  expect(await refused()).toMatch(/^SOURCE_/);
  const loop = await repo();
  await symlink('.quorate', join(loop, '.quorate'));
  expect(await checkOwnPlayed(loop).catch((error: NodeJS.ErrnoException) => error.code)).toBe('ELOOP');
});
