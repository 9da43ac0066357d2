import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type GitTag, localCommit, readLocalGitFolder, resolveRef } from '../../src/source/index.ts';
import { checkout, codeOf, commitAll, folder, git, oldServer, serve, serveHttp } from './support.ts';

/** A repository of three commits: an annotated tag and a plain one are of the second. No test changes it. */
let tagged: Awaited<ReturnType<typeof makeTagged>>;
beforeAll(async () => {
  tagged = await makeTagged(await mkdtemp(join(tmpdir(), 'quorate-tagged-')));
  return () => rm(tagged.dir, { recursive: true, force: true });
});

async function makeTagged(dir: string) {
  git(dir, 'init', '-q', '-b', 'main');
  await writeFile(join(dir, 'f'), 'old');
  const old = commitAll(dir, 'old');
  await writeFile(join(dir, 'f'), 'x');
  await writeFile(join(dir, 'secret'), 'of another branch');
  git(dir, 'add', '-A');
  git(dir, 'stash', '-q');
  await writeFile(join(dir, 'f'), 'new');
  await writeFile(join(dir, '.gitattributes'), '* text=auto\n');
  await mkdir(join(dir, 'sub'));
  await writeFile(join(dir, 'sub', 'run'), '#!/bin/sh\n', { mode: 0o755 });
  const commit = commitAll(dir, 'new');
  git(dir, 'tag', '-a', '-m', 'note', 'v1.2/rc');
  git(dir, 'tag', 'plain');
  await writeFile(join(dir, 'f'), 'later');
  commitAll(dir, 'later');
  const object = git(dir, 'rev-parse', 'v1.2/rc');
  return { dir, old, commit, tag: { name: 'v1.2/rc', object } };
}

/** Unpacks an archive of a git folder. */
const into = (dest: string) => async (tar: AsyncIterable<Uint8Array>) => {
  await mkdir(dest, { recursive: true });
  await writeFile(`${dest}.tar`, tar);
  execFileSync('tar', ['-x', '-f', `${dest}.tar`, '-C', dest]);
};

/** A checkout with its git folder. */
async function checkedOut(url: string, commit: string, tag?: GitTag): Promise<string> {
  const dest = join(await folder(), 'out');
  const gitFolder = { tag, read: into(`${dest}-git`) };
  await checkout(url, commit, dest, { gitFolder });
  execFileSync('mv', [`${dest}-git`, join(dest, '.git')]);
  return dest;
}

const filesOf = (dir: string) =>
  readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replace(/pack-[0-9a-f]+/, 'pack-x'))
    .toSorted();

describe('the git folder of a commit', () => {
  it('knows the commit, the files as they are and the tag, from each kind of server', async () => {
    const { dir, commit, tag } = tagged;
    const url = await serve(dir);
    for (const from of [url, await serveHttp(dir), await oldServer(url)]) {
      const out = await checkedOut(from, commit, tag);
      expect(git(out, 'rev-parse', 'HEAD')).toBe(commit);
      expect(git(out, 'status', '--porcelain')).toBe('');
      expect(git(out, 'describe', '--dirty')).toBe('v1.2/rc');
      expect(git(out, 'for-each-ref', '--format=%(refname)')).toBe('refs/tags/v1.2/rc');
      expect(git(out, 'rev-list', '--count', 'HEAD')).toBe('1');
      git(out, 'fsck', '--strict');
      await writeFile(join(out, 'f'), 'changed');
      expect(git(out, 'describe', '--dirty')).toBe('v1.2/rc-dirty');
    }
  });

  it('holds nothing else: no history, hook, remote, other ref, setting of this host', async () => {
    const { dir, old, commit, tag } = tagged;
    const out = await checkedOut(await serve(dir), commit, tag);
    expect(filesOf(join(out, '.git'))).toEqual([
      ...['HEAD', 'config', 'index', 'objects', 'objects/pack', 'objects/pack/pack-x.idx'],
      ...['objects/pack/pack-x.pack', 'objects/pack/pack-x.rev', 'packed-refs', 'refs', 'shallow'],
    ]);
    expect(await readFile(join(out, '.git', 'config'), 'utf8')).toBe(
      '[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n',
    );
    const held = git(out, 'cat-file', '--batch-all-objects', '--batch-check=%(objecttype)').split('\n');
    expect(held.toSorted()).toEqual(['blob', 'blob', 'blob', 'commit', 'tag', 'tree', 'tree']);
    expect(() => git(out, 'cat-file', '-e', old)).toThrow();
  });

  it('is that of a commit without parents, and of a tag without annotation, or of none', async () => {
    const { dir, old, commit } = tagged;
    const url = await serve(dir);
    const out = await checkedOut(url, old);
    expect(git(out, 'status', '--porcelain')).toBe('');
    expect(() => git(out, 'describe')).toThrow();
    const { tag } = await resolveRef(url, 'plain');
    expect(tag).toEqual({ name: 'plain', object: commit });
    expect(git(await checkedOut(url, commit, tag), 'describe', '--tags')).toBe('plain');
  });

  it('is that of a repository of SHA-256 too', async () => {
    const dir = await folder();
    git(dir, 'init', '-q', '-b', 'main', '--object-format=sha256');
    await writeFile(join(dir, 'f'), 'x');
    const commit = commitAll(dir);
    const out = await checkedOut(await serve(dir), commit);
    expect(git(out, 'rev-parse', 'HEAD')).toBe(commit);
    expect(git(out, 'status', '--porcelain')).toBe('');
  });

  it('of a tag that is of another commit, or not there, is refused', async () => {
    const { dir, old, commit, tag } = tagged;
    const url = await serve(dir);
    const wrong = [tag, { name: 'none', object: 'a'.repeat(40) }, { name: 'plain', object: commit }];
    for (const one of wrong) expect(await codeOf(checkedOut(url, old, one))).toBe('SOURCE_TAG_NOT_FOUND');
  });

  it('is made of a local repository as well, with the tag that is named', async () => {
    const { dir, commit, tag } = tagged;
    const found = await localCommit(dir, 'v1.2/rc');
    expect(found).toMatchObject({ commit, tag });
    expect((await localCommit(dir, 'HEAD')).tag).toBeUndefined();
    const base = await folder();
    const read = into(join(base, 'x', '.git'));
    await readLocalGitFolder(found.objects, commit, { dir: base }, { tag: found.tag, read });
    expect(git(join(base, 'x'), 'describe')).toBe('v1.2/rc');
    expect(filesOf(join(base, 'x', '.git'))).not.toContain('objects/info');
    expect(git(join(base, 'x'), 'rev-list', '--count', 'HEAD')).toBe('1');
  });
});
