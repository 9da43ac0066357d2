import { once } from 'node:events';
import { chmod, lstat, mkdir, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { localRepo, readCommit, resolveRef } from '../../src/source/index.ts';
import { sourceLimits } from '../../src/source/limits.ts';
import {
  checkout,
  codeOf,
  commitAll,
  commitOf,
  folder,
  git,
  oldServer,
  repo,
  serve,
  serveHttp,
} from './support.ts';

const dest = async (): Promise<string> => join(await folder(), 'out');

describe('resolveRef', () => {
  it('finds branches, tags, annotated tags and HEAD, and returns commit ids as they are', async () => {
    const dir = await repo();
    const first = commitAll(dir, 'first');
    git(dir, 'tag', '-a', '-m', 'note', 'v1');
    git(dir, 'tag', 'light');
    const second = commitAll(dir, 'second');
    git(dir, 'branch', 'x/main', first);
    const url = await serve(dir);
    expect(await resolveRef(url, 'main')).toEqual({ commit: second, ref: 'refs/heads/main' });
    const v1 = { name: 'v1', object: git(dir, 'rev-parse', 'v1') };
    expect(await resolveRef(url, 'v1')).toEqual({ commit: first, ref: 'refs/tags/v1', tag: v1 });
    expect(await resolveRef(url, 'refs/tags/light')).toEqual({
      commit: first,
      ref: 'refs/tags/light',
      tag: { name: 'light', object: first },
    });
    expect(await resolveRef(url, 'HEAD')).toEqual({ commit: second, ref: 'HEAD' });
    expect(await resolveRef(url, first)).toEqual({ commit: first });
    expect(await codeOf(resolveRef(url, 'none'))).toBe('SOURCE_REF_NOT_FOUND');
    expect(await codeOf(resolveRef(url, first.slice(0, 12)))).toBe('SOURCE_REF_NOT_FOUND');
  });

  it('refuses a name that is a branch and a tag of different commits', async () => {
    const dir = await repo();
    const first = commitAll(dir, 'first');
    git(dir, 'tag', 'both');
    commitAll(dir, 'second');
    git(dir, 'branch', 'both');
    const url = await serve(dir);
    expect(await codeOf(resolveRef(url, 'both'))).toBe('SOURCE_REF_INVALID');
    expect((await resolveRef(url, 'refs/tags/both')).commit).toBe(first);
  });
});

describe('the words of a commit', () => {
  const wordsOf = async (dir: string, commit: string) => {
    const url = await serve(dir);
    const options = { dir: await folder(), words: true };
    const { words } = await readCommit(
      url,
      commit,
      options,
      async (tar) => void (await tar.resume().toArray()),
    );
    return words;
  };

  it('are its subject, on one line, and the name of its author', async () => {
    const dir = await repo();
    commitAll(dir, 'before');
    const commit = commitAll(dir, 'Mend the\nlock\n\nIt was open.\n');
    expect(await wordsOf(dir, commit)).toEqual({ subject: 'Mend the lock', author: 'a' });
    git(dir, 'config', 'i18n.commitEncoding', 'ISO-8859-1');
    await writeFile(join(dir, 'message'), Buffer.from('caf\u00e9\n', 'latin1'));
    git(dir, 'commit', '-q', '--allow-empty', '-F', 'message');
    expect(await wordsOf(dir, git(dir, 'rev-parse', 'HEAD'))).toMatchObject({ subject: 'café' });
    git(dir, 'config', '--unset', 'i18n.commitEncoding');
    expect(await wordsOf(dir, commitAll(dir, '\u001b[31mred\u0007'))).toEqual({
      subject: '\u001b[31mred\u0007',
      author: 'a',
    });
  });

  it('of a merge are its own', async () => {
    const dir = await repo();
    commitAll(dir, 'base');
    git(dir, 'checkout', '-q', '-b', 'topic');
    commitAll(dir, 'topic');
    git(dir, 'checkout', '-q', 'main');
    commitAll(dir, 'main');
    git(dir, 'merge', '-q', '--no-ff', '-m', 'Merge it', 'topic');
    expect(await wordsOf(dir, git(dir, 'rev-parse', 'HEAD'))).toMatchObject({ subject: 'Merge it' });
  });

  it('of a message of 3 MB are its beginning', async () => {
    const dir = await repo();
    await writeFile(join(dir, 'message'), `${'x'.repeat(3_000_000)}\n`);
    git(dir, 'commit', '-q', '--allow-empty', '-F', 'message');
    const { subject = '' } = (await wordsOf(dir, git(dir, 'rev-parse', 'HEAD'))) ?? {};
    expect(subject).toMatch(/^x{65000,65536}$/);
  });

  it('of an object that git would not write are what there is', async () => {
    const dir = await repo();
    expect(await wordsOf(dir, commitOf(dir, ' <a@example.org> 0 +0000', 'b <b> 0 +0000'))).toEqual({
      subject: 'x',
      author: '',
    });
  });

  it('are not read where they were not asked for', async () => {
    const dir = await repo();
    const commit = commitAll(dir);
    const read = await readCommit(
      await serve(dir),
      commit,
      { dir: await folder() },
      async (tar) => void (await tar.resume().toArray()),
    );
    expect(read).not.toHaveProperty('words');
  });
});

describe('a server that drops connections', () => {
  const { retryMs } = sourceLimits;
  const waitFirst = (ms: number) => void Object.assign(sourceLimits, { retryMs: ms });
  beforeEach(() => waitFirst(20));
  afterAll(() => waitFirst(retryMs));

  /** Drops the first connections without a word, as a git daemon that has as many as it takes; counts all. */
  async function busy(url: string, drops: number): Promise<{ url: string; count: () => number }> {
    let count = 0;
    const server = createServer((socket) => {
      count += 1;
      socket.on('error', () => {});
      if (count <= drops) return void socket.resetAndDestroy();
      const behind = connect(Number(new URL(url).port), '127.0.0.1');
      behind.on('error', () => socket.destroy());
      socket.pipe(behind).pipe(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    return { url: url.replace(/:\d+\//, `:${port}/`), count: () => count };
  }

  it('is asked again, for refs and for a commit', async () => {
    const dir = await repo();
    await writeFile(join(dir, 'a'), 'x');
    const commit = commitAll(dir);
    const url = await serve(dir);
    expect((await resolveRef((await busy(url, 2)).url, 'main')).commit).toBe(commit);
    const out = await dest();
    await checkout((await busy(url, 3)).url, commit, out);
    expect(await readFile(join(out, 'a'), 'utf8')).toBe('x');
  });

  it('and takes none is given up, with the code that it had before', async () => {
    const dir = await repo();
    commitAll(dir);
    const { url, count } = await busy(await serve(dir), 1_000);
    expect(await codeOf(resolveRef(url, 'main'))).toMatch(/^SOURCE_(UNREACHABLE|SERVER_ERROR)$/);
    expect(count()).toBe(sourceLimits.triesMax);
    waitFirst(600_000);
    const signal = AbortSignal.timeout(300);
    await expect(resolveRef(url, 'main', { signal })).rejects.toMatchObject({ name: 'TimeoutError' });
  });
});

describe('readCommit', () => {
  it('gives the files of one commit, with modes, links and names, and nothing of git', async () => {
    const dir = await repo();
    await mkdir(join(dir, 'bin'));
    await writeFile(join(dir, 'bin/run'), '#!/bin/sh\n');
    await chmod(join(dir, 'bin/run'), 0o755);
    await writeFile(join(dir, 'plain ü'), 'x');
    await symlink('bin/run', join(dir, 'link'));
    const commit = commitAll(dir);
    const out = await dest();
    await checkout(await serve(dir), commit, out);
    expect((await readdir(out)).sort()).toEqual(['bin', 'link', 'plain ü']);
    expect((await lstat(join(out, 'bin/run'))).mode & 0o111).not.toBe(0);
    expect((await lstat(join(out, 'plain ü'))).mode & 0o111).toBe(0);
    expect(await readlink(join(out, 'link'))).toBe('bin/run');
    expect(await readdir(join(out, '..'))).toEqual(['out']);
  });

  it('works over http, too, and says when there is no such repository', async () => {
    const dir = await repo();
    await writeFile(join(dir, 'f'), 'old');
    const old = commitAll(dir, 'old');
    await writeFile(join(dir, 'f'), 'new');
    const tip = commitAll(dir, 'new');
    const url = await serveHttp(dir);
    expect((await resolveRef(url, 'main')).commit).toBe(tip);
    const out = await dest();
    await checkout(url, old, out);
    expect(await readFile(join(out, 'f'), 'utf8')).toBe('old');
    expect(await codeOf(resolveRef(url.replace('.git', 'none'), 'main'))).toBe('SOURCE_NOT_FOUND');
  });

  it('runs every git where it is told to', async () => {
    const dir = await repo();
    await writeFile(join(dir, 'f'), 'x');
    const commit = commitAll(dir);
    const url = await serve(dir);
    const log = join(await folder(), 'log');
    const wrap = (command: string[]): string[] => [
      '/bin/sh',
      '-c',
      `echo "$@" >> ${log}; exec "$@"`,
      'sh',
      ...command,
    ];
    await resolveRef(url, 'main', { wrap });
    await checkout(url, commit, await dest(), { wrap });
    const lines = (await readFile(log, 'utf8')).split('\n');
    for (const verb of ['ls-remote', 'fetch', 'archive']) {
      expect(lines.some((line) => line.split(' ').includes(verb))).toBe(true);
    }
  });

  it('tells the time of the commit, which is not that of its author', async () => {
    const dir = await repo();
    const url = await serve(dir);
    const old = await oldServer(url);
    for (const seconds of [0, 1_700_000_001, 8_589_934_591, 99_999_999_999]) {
      const id = commitOf(dir, 'a <a@example.org> 1500000000 +0000', `a <a@example.org> ${seconds} -0730`);
      git(dir, 'update-ref', 'refs/heads/main', id);
      for (const from of [url, old]) {
        const { committedSeconds } = await checkout(from, id, await dest(), { ref: 'main' });
        expect(committedSeconds).toBe(Math.min(seconds, 8_589_934_591));
      }
    }
  });

  it('gets an older commit, also after its branch was moved away from it by force', async () => {
    const dir = await repo();
    await writeFile(join(dir, 'f'), 'old');
    const old = commitAll(dir, 'old');
    git(dir, 'checkout', '-q', '--orphan', 'other');
    await writeFile(join(dir, 'f'), 'new');
    commitAll(dir, 'new');
    git(dir, 'branch', '-f', 'main');
    git(dir, 'tag', 'keep', old);
    const out = await dest();
    await checkout(await serve(dir), old, out);
    expect(await readFile(join(out, 'f'), 'utf8')).toBe('old');
  });

  it('gets tips and older commits from a server without protocol 2, by the name of their branch', async () => {
    const dir = await repo();
    await writeFile(join(dir, 'f'), 'old');
    const old = commitAll(dir, 'old');
    await writeFile(join(dir, 'f'), 'new');
    const tip = commitAll(dir, 'new');
    const url = await oldServer(await serve(dir));
    for (const [commit, ref, text] of [
      [tip, undefined, 'new'],
      [tip, 'main', 'new'],
      [old, 'main', 'old'],
      [old, 'refs/heads/main', 'old'],
      [old, undefined, 'old'],
    ] as const) {
      const out = await dest();
      await checkout(url, commit, out, { ref });
      expect(await readFile(join(out, 'f'), 'utf8')).toBe(text);
    }
    expect(await codeOf(checkout(url, 'a'.repeat(40), await dest(), { ref: 'main' }))).toBe(
      'SOURCE_COMMIT_NOT_FOUND',
    );
  });

  it('says when the commit or the repository is not there, or what was asked is no commit', async () => {
    const dir = await repo();
    await writeFile(join(dir, 'f'), 'x');
    commitAll(dir);
    const url = await serve(dir);
    await expect(checkout(url, 'a'.repeat(40), await dest())).rejects.toMatchObject({
      code: 'SOURCE_COMMIT_NOT_FOUND',
      message: expect.stringContaining(` of ${url}`),
    });
    expect(await codeOf(checkout(url.replace('/.git', '/none'), 'a'.repeat(40), await dest()))).toBe(
      'SOURCE_NOT_FOUND',
    );
    expect(await codeOf(checkout(url, 'abc', await dest()))).toBe('SOURCE_COMMIT_INVALID');
    git(dir, 'tag', '-a', '-m', 'note', 'v1');
    for (const object of [git(dir, 'rev-parse', 'HEAD^{tree}'), git(dir, 'rev-parse', 'v1')]) {
      expect(await codeOf(checkout(url, object, await dest()))).toBe('SOURCE_COMMIT_NOT_FOUND');
    }
  });

  it('leaves nothing behind when it fails, and not when its reader does', async () => {
    const dir = await repo();
    await writeFile(join(dir, 'f'), 'x'.repeat(1_000_000));
    const commit = commitAll(dir);
    const url = await serve(dir);
    const base = await folder();
    await codeOf(readCommit(url, 'a'.repeat(40), { dir: base }, async () => {}));
    expect(await readdir(base)).toEqual([]);
    const failing = readCommit(url, commit, { dir: base }, async (tar) => {
      for await (const _ of tar) throw new Error('enough');
    });
    await expect(failing).rejects.toThrow('enough');
    expect(await readdir(base)).toEqual([]);
  });

  it('ends a git whose output nobody takes', async () => {
    const dir = await repo();
    await writeFile(join(dir, 'f'), 'x'.repeat(10_000_000));
    const commit = commitAll(dir);
    const options = { dir: await folder(), signal: AbortSignal.timeout(500) };
    const stuck = readCommit(await serve(dir), commit, options, async (tar) => {
      await once(tar, 'close');
    });
    await expect(stuck).rejects.toThrow(/timeout/i);
    expect(await readdir(options.dir)).toEqual([]);
  });

  it('leaves submodules as empty folders', async () => {
    const inner = await repo();
    await writeFile(join(inner, 'secret'), 'x');
    commitAll(inner);
    const dir = await repo();
    git(dir, 'submodule', '--quiet', 'add', inner, 'vendor/inner');
    const commit = commitAll(dir);
    const out = await dest();
    await checkout(await serve(dir), commit, out);
    expect(await readdir(join(out, 'vendor/inner'))).toEqual([]);
  });
});

describe('localRepo', () => {
  it('finds the top folder, the commit, the branch, the remote and whether there are changes', async () => {
    const dir = await repo();
    expect(await codeOf(localRepo(dir))).toBe('SOURCE_NO_COMMIT');
    await mkdir(join(dir, 'sub'));
    await writeFile(join(dir, 'sub/f'), 'x');
    const commit = commitAll(dir);
    git(dir, 'remote', 'add', 'origin', 'https://example.org/a.git');
    const clean = { root: dir, commit, changes: '', branch: 'main', remoteUrl: 'https://example.org/a.git' };
    expect(await localRepo(join(dir, 'sub'))).toEqual(clean);
    await writeFile(join(dir, 'sub/f'), 'y');
    await writeFile(join(dir, 'sub/\u001b[2J'), 'x');
    expect((await localRepo(dir)).changes).toBe('sub/f, sub/\\x1b[2J');
    for (const name of ['a', 'b']) await writeFile(join(dir, name), 'x');
    expect((await localRepo(dir)).changes).toBe('sub/f, a, b and more');
    git(dir, 'checkout', '-q', '--detach');
    expect((await localRepo(dir)).branch).toBeUndefined();
    expect(await codeOf(localRepo(await folder()))).toBe('SOURCE_NO_REPOSITORY');
  });
});
