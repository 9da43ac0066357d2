import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { endedPathOf, readClientSecret, SignInFile } from '../../src/identity/oidc/settings-file.ts';
import { openIdpFolder } from '../../src/owner/idp-folder.ts';
import { checkNotCommitted, checkOwnFile, ignoreProjectFolder } from '../../src/owner/own-folder.ts';
import { playedOf } from '../../src/owner/played.ts';
import { findProject, openProject, projectHere } from '../../src/owner/project.ts';
import { initProject, openProjectFolder } from '../../src/owner/project-folder.ts';
import { codeOf } from '../../src/protocol/base/errors.ts';
import { quorate } from '../cli/support.ts';
import { until } from '../e2e/support/wait.ts';
import { commitAll, folder, git, repo } from '../source/support.ts';
import { isRoot } from '../support/needs.ts';

const about = { name: 'tools', vcs: [], bootstrap: [] };
const tree = `bafybei${'a'.repeat(52)}`;

/** A clone of a repository whose commits have these files of a project, with the modes that keys need. */
async function clone(...files: string[]): Promise<string> {
  const theirs = await repo();
  await initProject(theirs, about);
  for (const file of files) git(theirs, 'add', '-f', `.quorate/${file}`);
  git(theirs, 'commit', '-q', '-m', 'x');
  const ours = join(await folder(), 'clone');
  git(theirs, 'clone', '-q', theirs, ours);
  for (const name of await readdir(join(ours, '.quorate')))
    if (name.endsWith('.key')) await chmod(join(ours, '.quorate', name), 0o600);
  return ours;
}

describe('keys and folders that came with a repository', () => {
  it('are used by no command, which says so', async () => {
    const cwd = await clone('root.key', 'controller.key', 'idp.key', 'charter.jws');
    const before = await readdir(join(cwd, '.quorate'));
    const aside = await folder();
    for (const command of [
      ['controller', '--listen', '/ip4/127.0.0.1/tcp/0'],
      ['controller', 'status'],
      ['controller', 'members'],
      ['controller', 'drain'],
      ['controller', 'backup', '--keys', join(aside, 'backup')],
      ['controller', 'restore', '--aside', aside],
      ['controller', 'check'],
      ['idp'],
      ['idp', 'backup', join(aside, 'backup')],
      ['idp', 'sessions', 'revoke', 'https://login.example.org#ada'],
      ['init'],
      ['up', '--yes'],
      ['invite', 'ada'],
      ['charter', 'set', '--any-vcs'],
      ['rotate', 'controller'],
      ['rotate', 'idp'],
      ['revoke', 'ada', '--reason', 'x', '--yes'],
      ['policy'],
      ['run'],
      ['jobs'],
      ['image', 'list'],
      ['image', 'remove', tree],
      ['store', 'forget', tree],
    ])
      expect.soft((await quorate(command, { cwd })).err, command.join(' ')).toContain('PROJECT_FOREIGN');
    expect(await readdir(join(cwd, '.quorate'))).toEqual(before);
    expect(await readdir(aside)).toEqual([]);
    expect((await quorate(['doctor', '--json'], { cwd })).out).toContain('has .quorate/ in its commits');
  });

  it('are not used where one file of them alone did', async () => {
    const cwd = await clone('idp.key');
    await writeFile(join(cwd, '.gitignore'), '.quorate/\n');
    const charter = join(await folder(), 'charter.jws');
    await writeFile(charter, (await initProject(await folder(), about)).charterJws);
    const idp = await quorate(['idp', '--charter', charter], { cwd });
    expect(idp.err).toContain('PROJECT_FOREIGN');
    expect(await readdir(join(cwd, '.quorate'))).toEqual(['idp.key']);
    expect(await openIdpFolder(join(cwd, '.quorate'), charter).catch(codeOf)).toBe('PROJECT_FOREIGN');
  });

  it('are found in what is played, in a linked working tree, in a submodule, and by way of a link', async () => {
    const cwd = await clone('root.key', 'charter.jws');
    const refused = async (where: string) => [
      await openProjectFolder(where).catch(codeOf),
      await findProject(where).catch(codeOf),
    ];
    const foreign = ['PROJECT_FOREIGN', 'PROJECT_FOREIGN'];
    const beside = await folder();
    git(cwd, 'worktree', 'add', '-q', join(beside, 'tree'));
    expect(await refused(join(beside, 'tree'))).toEqual(foreign);
    const around = await repo();
    git(around, 'submodule', 'add', '-q', cwd, 'sub');
    expect(await refused(join(around, 'sub'))).toEqual(foreign);
    await mkdir(join(cwd, 'deep'));
    await rename(join(cwd, '.quorate'), join(cwd, 'deep', '.quorate'));
    commitAll(cwd);
    await symlink(join(cwd, 'deep'), join(beside, 'link'));
    expect(await refused(join(beside, 'link'))).toEqual(foreign);
    const root = await repo();
    const played = await initProject(playedOf(root), about);
    await writeFile(join(root, '.quorate', 'up', 'worker.toml'), '');
    git(root, 'add', '-f', '.quorate/up/worker.toml');
    expect(await openProjectFolder(played.dir).catch(codeOf)).toBe('PROJECT_FOREIGN');
  });

  it('are found whatever repository is made within, and whatever repository the environment names', async () => {
    const cwd = await clone('charter.jws');
    const inner = join(cwd, 'inner');
    await mkdir(inner);
    await rename(join(cwd, '.quorate'), join(inner, '.quorate'));
    commitAll(cwd);
    git(inner, 'init', '-q');
    expect(await openProject(inner).catch(codeOf)).toBe('PROJECT_FOREIGN');
    onTestFinished(() => void vi.unstubAllEnvs());
    vi.stubEnv('GIT_DIR', join(await repo(), '.git'));
    vi.stubEnv('GIT_WORK_TREE', inner);
    vi.stubEnv('GIT_INDEX_FILE', join(inner, 'none'));
    expect(await openProject(inner).catch(codeOf)).toBe('PROJECT_FOREIGN');
  });

  it('are found where a whole repository is the folder', async () => {
    const theirs = await repo();
    const { dir } = await initProject(await folder(), about);
    await rename(dir, join(theirs, 'theirs'));
    git(theirs, 'add', '-f', 'theirs');
    git(theirs, 'mv', 'theirs/charter.jws', 'charter.jws');
    git(theirs, 'commit', '-q', '-m', 'x');
    const ours = await folder();
    git(theirs, 'clone', '-q', theirs, join(ours, '.quorate'));
    for (const cwd of [ours, join(ours, '.quorate')])
      expect(await openProject(cwd).catch(codeOf)).toBe('PROJECT_FOREIGN');
  });

  it('are not used where git cannot tell', async () => {
    const root = await repo();
    await initProject(root, about);
    await writeFile(join(root, '.git', 'index'), 'no index');
    expect(await openProject(root).catch(codeOf)).toMatch(/^SOURCE_/);
    expect(await findProject(root).catch(codeOf)).toMatch(/^SOURCE_/);
  });
});

describe('a project folder of which git keeps nothing', () => {
  it('is opened: ignored or not, below a kept folder, in a submodule, and outside of repositories', async () => {
    const root = await repo();
    const { project } = await initProject(root, about);
    expect((await openProject(root)).project).toBe(project);
    await writeFile(join(root, '.gitignore'), '.quorate/\n');
    await mkdir(join(root, 'sub'));
    await writeFile(join(root, 'sub', 'file'), '');
    commitAll(root);
    expect((await projectHere(join(root, 'sub')))?.project).toBe(project);
    const below = await initProject(join(root, 'sub'), about);
    expect((await openProject(join(root, 'sub'))).project).toBe(below.project);
    const around = await repo();
    git(around, 'submodule', 'add', '-q', root, 'module');
    const inModule = await initProject(join(around, 'module'), about);
    expect((await openProject(join(around, 'module'))).project).toBe(inModule.project);
    const apart = await initProject(await folder(), about);
    expect((await openProject(apart.dir)).project).toBe(apart.project);
  });

  it.skipIf(!isRoot)('is opened below a .git of another user, of which git would tell nothing', async () => {
    const around = await folder();
    await mkdir(join(around, '.git'));
    await chown(join(around, '.git'), 12_345, 12_345);
    const own = join(around, 'own');
    const { project } = await initProject(own, about);
    expect((await openProject(own)).project).toBe(project);
  });

  it.skipIf(!isRoot)(
    'is passed over further out where it is of another user, which an error says',
    async () => {
      const around = await folder();
      const { dir } = await initProject(around, about);
      await chown(dir, 12_345, 12_345);
      const below = join(around, 'below');
      await mkdir(below);
      await expect(openProject(below)).rejects.toMatchObject({
        code: 'PROJECT_NOT_FOUND',
        message: expect.stringContaining(`that in ${around} is of another user`),
      });
    },
  );

  it.skipIf(!isRoot)(
    'is opened by root in a repository of another user where root has told git so',
    async () => {
      const root = await repo();
      const { project } = await initProject(root, about);
      for (const path of [root, join(root, '.git')]) await chown(path, 12_345, 12_345);
      expect(await openProject(root).catch(codeOf)).toBe('SOURCE_OTHER_USER');
      onTestFinished(() => void vi.unstubAllEnvs());
      const home = await folder();
      vi.stubEnv('HOME', home);
      await writeFile(join(home, '.gitconfig'), `[safe]\ndirectory = ${root}\n`);
      expect((await openProject(root)).project).toBe(project);
      git(root, '-c', `safe.directory=${root}`, 'add', '-f', '.quorate');
      expect(await openProject(root).catch(codeOf)).toBe('PROJECT_FOREIGN');
    },
  );
});

describe('quorate idp init', () => {
  it('keeps its key out of commits, whatever .gitignore took back of an earlier line', async () => {
    const root = await repo();
    const cwd = join(root, 'idp');
    const listed = () => git(root, 'status', '--porcelain', '--untracked-files=all');
    await mkdir(cwd);
    const made = await quorate(['idp', 'init'], { cwd });
    expect(made.err).toContain('Added .quorate/ to .gitignore');
    expect(listed()).toBe('?? idp/.gitignore');
    expect((await quorate(['idp', 'init'], { cwd })).err).not.toContain('Added');
    const file = join(cwd, '.gitignore');
    const back = '.quorate/\n!.quorate/\n.quorate/*\n!.quorate/keys/\n';
    await writeFile(file, back);
    await quorate(['idp', 'init'], { cwd });
    expect(await readFile(file, 'utf8')).toBe(`${back}.quorate/\n`);
  });

  it('makes no key that the next commit would take in, and writes no .gitignore outside of repositories', async () => {
    const root = await repo();
    const cwd = join(root, 'idp');
    await mkdir(cwd);
    await writeFile(join(root, '.gitignore'), '**/.quorate/*\n!**/.quorate/idp.key\n');
    await symlink('../.gitignore', join(cwd, '.gitignore'));
    expect((await quorate(['idp', 'init'], { cwd })).err).toContain('PROJECT_FOREIGN');
    expect(existsSync(join(cwd, '.quorate'))).toBe(false);
    const apart = await folder();
    expect((await quorate(['idp', 'init'], { cwd: apart })).code).toBe(0);
    expect(await readdir(apart)).toEqual(['.quorate']);
  });
});

it('a folder that is a link of one’s own to elsewhere is checked here and there', async () => {
  const [root, there] = [await repo(), await repo()];
  const { dir, project } = await initProject(there, about);
  await symlink(dir, join(root, '.quorate'));
  await checkNotCommitted(join(root, '.quorate'));
  expect((await openProject(root)).project).toBe(project);
  commitAll(root);
  expect(await openProject(root).catch(codeOf)).toBe('PROJECT_FOREIGN');
  git(root, 'rm', '-q', '--cached', '.quorate');
  expect((await openProject(root)).project).toBe(project);
  git(there, 'add', '-f', '.quorate/charter.jws');
  expect(await openProject(root).catch(codeOf)).toBe('PROJECT_FOREIGN');
});

it('keys behind a link of one’s own outlive a branch that commits others, which git puts in place of ignored files', async () => {
  const theirs = await repo();
  await initProject(theirs, about);
  git(theirs, 'add', '-f', '.quorate');
  git(theirs, 'commit', '-q', '-m', 'x');
  const root = await repo();
  await writeFile(join(root, '.gitignore'), '.quorate\n');
  const home = commitAll(root);
  git(root, 'fetch', '-q', theirs, 'HEAD:theirs');
  const visit = () => {
    git(root, 'checkout', '-q', 'theirs');
    git(root, 'checkout', '-q', home);
  };
  const apart = await folder();
  const { dir, project } = await initProject(apart, about);
  const link = join(root, '.quorate');
  await symlink(dir, link);
  git(root, 'checkout', '-q', 'theirs');
  expect(await openProject(root).catch(codeOf)).toBe('PROJECT_FOREIGN');
  git(root, 'checkout', '-q', home);
  expect(existsSync(link)).toBe(false);
  await symlink(dir, link);
  expect((await openProject(root)).project).toBe(project);
  // The control: without the link they are lost.
  await rm(link);
  await initProject(root, about);
  visit();
  expect(existsSync(link)).toBe(false);
});

it('a folder that is a link of one’s own to elsewhere is kept out of commits, as the link that it is', async () => {
  const root = await repo();
  const apart = await folder();
  await symlink(apart, join(root, '.quorate'));
  // A line of before, which is about folders only.
  await writeFile(join(root, '.gitignore'), '.quorate/\n');
  const made = await quorate(['init'], { cwd: root });
  expect(made.code).toBe(0);
  expect(await readFile(join(root, '.gitignore'), 'utf8')).toBe('.quorate/\n.quorate\n');
  git(root, 'add', '-A');
  expect(git(root, 'ls-files', '.quorate')).toBe('');
  expect((await openProject(root)).dir).toBe(join(root, '.quorate'));
  expect(existsSync(join(apart, 'charter.jws'))).toBe(true);
  expect(await ignoreProjectFolder(root, root)).toBe('kept');
});

it('a sign-in.toml that a checkout brings counts for nothing, also while git is at work; one’s own counts again after it', async () => {
  const root = await repo();
  const aside = await folder();
  const own = join(root, '.quorate', 'sign-in.toml');
  const says = (...revoked: string[]) =>
    writeFile(own, `origin = "https://ci.example.org"\nrevoked = ${JSON.stringify(revoked)}\n`);
  await writeFile(join(root, '.gitignore'), '.quorate/\n');
  commitAll(root);
  const home = git(root, 'rev-parse', '--abbrev-ref', 'HEAD');
  git(root, 'checkout', '-q', '-b', 'theirs');
  await mkdir(join(root, '.quorate'));
  await says('ada');
  await writeFile(endedPathOf(own), JSON.stringify([{ person: 'ada', at: 9e15 }]));
  await writeFile(join(root, '.gitattributes'), 'z filter=slow\n');
  await writeFile(join(root, 'z'), 'z');
  git(root, 'add', '-f', '.quorate', '.gitattributes', 'z');
  git(root, 'commit', '-q', '-m', 'x');
  git(root, 'checkout', '-q', home);
  await mkdir(join(root, '.quorate'), { recursive: true });
  await says();
  const errors: string[] = [];
  const file = await SignInFile.open(own, ({ message }) => errors.push(message), checkOwnFile);
  onTestFinished(() => file.close());
  const told = (what: string) => until(what, () => errors.some((error) => error.includes(what)));
  const smudge = `touch ${aside}/began; until [ -e ${aside}/go ]; do sleep 0.05; done; cat`;
  const checkout = spawn('git', ['-c', `filter.slow.smudge=${smudge}`, 'checkout', '-q', 'theirs'], {
    cwd: root,
  });
  const ended = once(checkout, 'close');
  await until('the checkout', () => existsSync(join(aside, 'began')) && existsSync(own));
  await told('git is at work');
  await writeFile(join(aside, 'go'), '');
  expect(await ended).toEqual([0, null]);
  await told('.quorate/ in its commits');
  await expect(SignInFile.open(own, () => {}, checkOwnFile)).rejects.toMatchObject({
    code: 'PROJECT_FOREIGN',
  });
  expect(file.settings.revoked).toEqual([]);
  git(root, 'checkout', '-q', home);
  await mkdir(join(root, '.quorate'), { recursive: true });
  await says('bob');
  await until('one’s own', () => file.settings.revoked.length > 0);
  expect([file.settings.revoked, file.hasEnded('ada', 1)]).toEqual([['bob'], false]);
});

it('one’s own counts where git began its work after it was written, and a change only once that has ended', async () => {
  const root = await repo();
  const own = join(root, '.quorate', 'sign-in.toml');
  const aside = await folder();
  const says = (...revoked: string[]) =>
    writeFile(own, `origin = "https://ci.example.org"\nrevoked = ${JSON.stringify(revoked)}\n`);
  await writeFile(join(root, '.gitignore'), '.quorate/\n');
  commitAll(root);
  await mkdir(join(root, '.quorate'));
  await says('ada');
  await writeFile(join(root, '.gitignore'), '.quorate/\n*.log\n');
  const editor = `sh -c 'touch ${aside}/began; until [ -e ${aside}/go ]; do sleep 0.05; done; echo x > "$1"' -`;
  const commit = spawn('git', ['-c', `core.editor=${editor}`, 'commit', '-q', '-a'], { cwd: root });
  const ended = once(commit, 'close');
  await until('the editor', () => existsSync(join(aside, 'began')));
  expect(existsSync(join(root, '.git', 'index.lock'))).toBe(true);
  const errors: string[] = [];
  const file = await SignInFile.open(own, ({ message }) => errors.push(message), checkOwnFile);
  onTestFinished(() => file.close());
  expect(file.settings.revoked).toEqual(['ada']);
  await says('ada', 'bob');
  await until('git is at work', () => errors.some((error) => error.includes('git is at work')));
  expect(file.settings.revoked).toEqual(['ada']);
  await writeFile(join(aside, 'go'), '');
  expect(await ended).toEqual([0, null]);
  await until('the change', () => file.settings.revoked.includes('bob'));
  // A link that leads to a file of before is as new as the link.
  await rename(own, join(aside, 'sign-in.toml'));
  await writeFile(join(root, '.git', 'index.lock'), '');
  await symlink(join(aside, 'sign-in.toml'), own);
  expect(await checkOwnFile(own).catch(codeOf)).toBe('SOURCE_FAILED');
  await rename(join(root, '.quorate'), join(aside, 'moved'));
  await symlink(join(aside, 'moved'), join(root, '.quorate'));
  expect(await checkOwnFile(own).catch(codeOf)).toBe('SOURCE_FAILED');
});

it('so does none further down in such a folder, nor one that it names', async () => {
  const root = await repo();
  const own = join(root, '.quorate', 'people', 'sign-in.toml');
  await mkdir(dirname(own), { recursive: true });
  await writeFile(own, 'origin = "https://ci.example.org"\n');
  await writeFile(join(root, '.quorate', 'secret'), 'x', { mode: 0o600 });
  git(root, 'add', '-f', '.quorate');
  expect(await SignInFile.open(own, () => {}, checkOwnFile).catch(codeOf)).toBe('PROJECT_FOREIGN');
  const secret = { clientSecretFile: join('.quorate', 'secret') };
  const named = readClientSecret(secret, join(root, 'sign-in.toml'), checkOwnFile);
  expect(await named.catch(codeOf)).toBe('PROJECT_FOREIGN');
});

it('so does none to which a link of one’s own leads, and none to which that one is a link', async () => {
  const root = await repo();
  const aside = await folder();
  const own = join(root, '.quorate', 'sign-in.toml');
  await mkdir(dirname(own));
  await writeFile(own, 'origin = "https://ci.example.org"\n');
  await symlink(own, join(aside, 'sign-in.toml'));
  await symlink(dirname(own), join(aside, 'settings'));
  const places = [join(aside, 'sign-in.toml'), join(aside, 'settings', 'sign-in.toml')];
  const answers = () => Promise.all(places.map((place) => checkOwnFile(place).then(() => 'own', codeOf)));
  expect(await answers()).toEqual(['own', 'own']);
  git(root, 'add', '-f', '.quorate');
  expect(await answers()).toEqual(['PROJECT_FOREIGN', 'PROJECT_FOREIGN']);
  await rename(own, join(root, 'other.toml'));
  await symlink('../other.toml', own);
  git(root, 'add', '-f', '.quorate');
  expect(await answers()).toEqual(['PROJECT_FOREIGN', 'PROJECT_FOREIGN']);
  await symlink('loop', join(aside, 'loop'));
  await expect(checkOwnFile(join(aside, 'loop'))).rejects.toThrow('ELOOP');
});
