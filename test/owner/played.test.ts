import { existsSync } from 'node:fs';
import { chown, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { storesHere } from '../../src/client/commands/trial-project.ts';
import { createKey } from '../../src/identity/keys.ts';
import { prepareRepository } from '../../src/owner/commands/init.ts';
import { checkOwnPlayed, playedOf } from '../../src/owner/played.ts';
import { findProject, playedHere, projectHere } from '../../src/owner/project.ts';
import { initProject } from '../../src/owner/project-folder.ts';
import { codeOf } from '../../src/protocol/base/errors.ts';
import { localRepo } from '../../src/source/index.ts';
import type { Context } from '../../src/terminal/context.ts';
import { quorate } from '../cli/support.ts';
import { folder, git, repo } from '../source/support.ts';
import { isRoot } from '../support/needs.ts';

it('a project in a committed folder that looks like a git repository is not taken for one that was played here', async () => {
  const root = await repo();
  const posing = join(root, 'posing');
  await initProject(playedOf(posing), { name: 'tools', vcs: [], bootstrap: [] });
  for (const folder of ['refs', 'objects']) await mkdir(join(posing, folder));
  await writeFile(join(posing, 'HEAD'), 'ref: refs/heads/main\n');
  const config = '[core]\nrepositoryformatversion = 0\nbare = false\nworktree = .\n';
  await writeFile(join(posing, 'config'), config);
  git(root, 'add', '-f', 'posing');
  expect(git(posing, 'ls-files', '.quorate')).toBe('');
  expect(await projectHere(posing).catch(codeOf)).toBe('PROJECT_FOREIGN');
  // Its settings may name programs.
  expect(await localRepo(posing).catch(codeOf)).toBe('SOURCE_NO_REPOSITORY');
});

it.skipIf(!isRoot)(
  'as root: init makes nothing in the repository of another user; where git is told to trust it, it says whose the files are',
  async () => {
    const root = await repo();
    for (const path of ['.git', '.']) await chown(join(root, path), 65_534, 65_534);
    const before = await readdir(root);
    const home = await folder();
    vi.stubEnv('HOME', home);
    onTestFinished(() => void vi.unstubAllEnvs());
    const init = () => quorate(['init', '--vcs', 'git.example.org'], { cwd: root });
    expect(await init()).toMatchObject({
      code: 2,
      err: expect.stringMatching(/error\[SOURCE_OTHER_USER\].* another user\nhint: Run this as that user/),
    });
    expect(await readdir(root)).toEqual(before);
    for (const command of ['plan', 'up', 'try'])
      expect((await quorate([command], { cwd: root })).err).toContain('error[SOURCE_OTHER_USER]');
    await writeFile(join(home, '.gitconfig'), `[safe]\n\tdirectory = ${root}\n`);
    expect(await init()).toMatchObject({ code: 0, out: expect.stringContaining('chown -R --reference=. ') });
    git(root, 'init', 'own');
    const own = await quorate(['init'], { cwd: join(root, 'own') });
    expect([own.code, own.out.includes('chown')]).toEqual([0, false]);
  },
);

it('no keys are made below a folder that came with the repository', async () => {
  const root = await repo();
  await mkdir(join(root, 'kept'));
  await symlink('kept', join(root, '.quorate'));
  await checkOwnPlayed(root);
  git(root, 'add', '-f', '.quorate');
  expect(await checkOwnPlayed(root).catch(codeOf)).toBe('PROJECT_FOREIGN');
});

it('init takes no key, and makes none, in a folder that came with the repository', async () => {
  const root = await repo();
  const own = join(root, '.quorate');
  const init = async () => {
    git(root, 'add', '-f', '.quorate');
    return (await quorate(['init'], { cwd: root })).err;
  };
  await mkdir(join(root, 'kept'));
  await symlink('kept', own);
  expect(await init()).toContain('PROJECT_FOREIGN');
  expect(await readdir(join(root, 'kept'))).toEqual([]);
  await rm(own);
  await createKey(join(own, 'root.key'));
  expect(await init()).toContain('PROJECT_FOREIGN');
  expect(await readdir(own)).toEqual(['root.key']);
});

it('idp init takes no key, and makes none, in a folder that came with the repository', async () => {
  const root = await repo();
  const [cwd, kept] = [join(root, 'idp'), join(root, 'kept')];
  const own = join(cwd, '.quorate');
  const init = async () => {
    git(root, 'add', '-f', 'idp');
    return quorate(['idp', 'init'], { cwd });
  };
  for (const folder of [cwd, kept]) await mkdir(folder);
  expect((await quorate(['idp', 'init'], { cwd: kept })).code).toBe(0);
  await symlink('../kept/.quorate', own);
  expect((await init()).err).toContain('PROJECT_FOREIGN');
  await rm(own);
  await createKey(join(own, 'idp.key'));
  expect((await init()).err).toContain('PROJECT_FOREIGN');
});

it('init makes no key that the next commit would take in', async () => {
  const root = await repo();
  const file = join(root, '.gitignore');
  await writeFile(join(root, 'ignored'), '.quorate/\n');
  await symlink('ignored', file);
  expect((await quorate(['init'], { cwd: root })).err).toContain('PROJECT_FOREIGN');
  expect(existsSync(join(root, '.quorate'))).toBe(false);
  const exclude = join(root, '.git/info/exclude');
  await writeFile(exclude, '.quorate/\n');
  expect(await prepareRepository(root)).toMatchObject({ ignored: 'kept' });
  await rm(exclude);
  await rm(file);
  await writeFile(file, '.quorate/\n!.quorate/\n');
  expect((await quorate(['init'], { cwd: root })).code).toBe(0);
  expect(git(root, 'status', '--porcelain', '--untracked-files=all')).not.toContain('root.key');
});

it('init and up keep keys in a folder elsewhere, to which a link of one’s own leads', async () => {
  const root = await repo();
  const own = join(root, '.quorate');
  const init = () => quorate(['init'], { cwd: root });
  await writeFile(join(root, '.gitignore'), '.quorate\n');
  await mkdir(join(root, 'taken-in'));
  await symlink('taken-in', own);
  expect((await init()).err).toContain('PROJECT_FOREIGN');
  expect(await readdir(join(root, 'taken-in'))).toEqual([]);
  await rm(own);
  await symlink(await folder(), own);
  expect((await init()).err).toBe('');
  expect(await prepareRepository(root)).toEqual({ ignored: 'kept', jobFile: 'kept' });
});

it('a .git of another user around makes no project of that user count', async () => {
  const around = await repo();
  const project = { name: 'tools', vcs: [], bootstrap: [] };
  await initProject(around, project);
  await initProject(playedOf(around), project);
  const inner = join(around, 'inner');
  await mkdir(inner);
  expect([await findProject(inner), await playedHere(inner)]).toEqual([around, around]);
  onTestFinished(() => void vi.restoreAllMocks());
  vi.spyOn(process, 'getuid').mockReturnValue((process.getuid?.() ?? 0) + 1);
  // As with sudo, in a repository of who owns the folder.
  expect(await findProject(inner)).toBe(around);
  // Of nobody.
  const gone = join(inner, 'gone');
  const places = async (start: string) => [
    await findProject(start),
    await playedHere(start),
    await projectHere(start),
  ];
  expect(await places(gone)).toEqual([undefined, undefined, undefined]);
  // A folder that the system does not lead to, as below one that this user may not search.
  await symlink('gone', gone);
  expect(await places(join(gone, 'below'))).toEqual([undefined, undefined, undefined]);
});

it('a project that is played is checked where the command runs in its own folder, too', async () => {
  const root = await repo();
  const homes = playedOf(root);
  await initProject(homes, { name: 'tools', vcs: [], bootstrap: [] });
  expect(await projectHere(homes)).toBeDefined();
  const unnamed = await quorate(['verify', 'x', '--bundle', 'b'], { cwd: root });
  expect(unnamed.err).toMatch(
    /required option '--project <id>'[\s\S]*Of the project here, if .*: --project 12D3/,
  );
  git(root, 'add', '-f', '.quorate');
  expect(await projectHere(homes).catch(codeOf)).toBe('PROJECT_FOREIGN');
});

it('images and stores of what is played count only where all of it is of this user', async () => {
  const root = await repo();
  const homes = playedOf(root);
  await initProject(homes, { name: 'tools', vcs: [], bootstrap: [] });
  const at = { cwd: root, home: join(root, 'home') };
  const stores = () => storesHere(at as Context, root);
  const own = join(homes, '.quorate/store');
  expect(await stores()).toEqual([own, join(root, 'home/store')]);
  const list = () => quorate(['image', 'list'], { cwd: root });
  expect(await list()).toMatchObject({ code: 0 });
  git(root, 'add', '-f', '.quorate');
  expect(await stores()).toEqual([join(root, 'home/store')]);
  expect(await list()).toMatchObject({ code: 2, err: expect.stringContaining('PROJECT_FOREIGN') });
});

it('a store in a project that came with the repository is not opened', async () => {
  const root = await repo();
  await initProject(root, { name: 'tools', vcs: [], bootstrap: [] });
  const stores = () => storesHere({ cwd: root, home: join(root, 'home') } as Context, root);
  expect(await stores()).toEqual([join(root, '.quorate/store'), join(root, 'home/store')]);
  git(root, 'add', '-f', '.quorate/charter.jws');
  expect(await stores()).toEqual([join(root, 'home/store')]);
});
