import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, lstat, mkdir, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { importSource } from '../../../src/execution/import-source.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { resolveRef } from '../../../src/source/index.ts';
import { openStore } from '../../../src/store/index.ts';
import { checkout, codeOf, commitAll, folder, git, listen, repo, serve } from '../../source/support.ts';
import { withLimits } from '../../support/with-limits.ts';

const dest = async (): Promise<string> => join(await folder(), 'out');
const some = 'b'.repeat(40);

describe('a repository that wants its files to differ between machines', () => {
  it('succeeds with plain git and the same files come out with ours', async () => {
    const dir = await repo();
    await writeFile(join(dir, 'id'), '$Id$\n');
    await writeFile(join(dir, 'crlf'), 'a\nb\n');
    await writeFile(join(dir, 'utf16'), 'text\n');
    await writeFile(join(dir, 'filtered'), 'before\n');
    await writeFile(join(dir, '.gitattributes'), '');
    commitAll(dir);
    const attributes =
      'id ident\ncrlf text eol=crlf\nutf16 text working-tree-encoding=UTF-16\nfiltered filter=change\n';
    await writeFile(join(dir, '.gitattributes'), `[attr]odd ident\n${attributes}`);
    git(dir, 'add', '.gitattributes');
    git(dir, 'commit', '-q', '-m', 'attributes');
    const commit = git(dir, 'rev-parse', 'HEAD');
    const url = await serve(dir);

    const plain = await dest();
    git(await folder(), '-c', 'filter.change.smudge=tr a-z A-Z', 'clone', '-q', url, plain);
    expect(await readFile(join(plain, 'id'), 'utf8')).toMatch(/\$Id: [0-9a-f]{40} \$/);
    expect(await readFile(join(plain, 'crlf'), 'utf8')).toContain('\r\n');
    expect(await readFile(join(plain, 'filtered'), 'utf8')).toBe('BEFORE\n');

    const ours = await dest();
    await checkout(url, commit, ours);
    expect(await readFile(join(ours, 'id'), 'utf8')).toBe('$Id$\n');
    expect(await readFile(join(ours, 'crlf'), 'utf8')).toBe('a\nb\n');
    expect(await readFile(join(ours, 'utf16'), 'utf8')).toBe('text\n');
    expect(await readFile(join(ours, 'filtered'), 'utf8')).toBe('before\n');
  });
});

describe('a machine whose configuration or templates bring hooks', () => {
  it('runs none of them', async () => {
    const dir = await repo();
    await writeFile(join(dir, 'f'), 'x');
    const commit = commitAll(dir);
    const url = await serve(dir);
    const home = await folder();
    const hooks = join(home, 'hooks');
    await mkdir(hooks);
    const hook = `#!/bin/sh\ntouch ${home}/ran\n`;
    for (const name of ['post-checkout', 'post-index-change', 'reference-transaction']) {
      await writeFile(join(hooks, name), hook);
      await chmod(join(hooks, name), 0o755);
    }
    await writeFile(join(home, '.gitconfig'), `[core]\n\thooksPath = ${hooks}\n`);
    const env = { PATH: process.env.PATH ?? '', HOME: home };
    execFileSync('git', ['clone', '-q', url, join(home, 'control')], { env, stdio: 'ignore' });
    expect(await readdir(home)).toContain('ran');
    execFileSync('rm', [join(home, 'ran')]);
    await checkout(url, commit, await dest(), { env });
    await resolveRef(url, 'main', { env });
    expect(await readdir(home)).not.toContain('ran');
  });
});

describe('options hidden in names', () => {
  it('never reach git', async () => {
    const mark = join(await folder(), 'ran');
    const tricks = [
      `--upload-pack=touch ${mark}`,
      `ext::sh -c "touch% ${mark}"`,
      `ssh://-oProxyCommand=touch%20${mark}/x`,
    ];
    for (const trick of tricks) {
      expect(await codeOf(checkout(trick, some, await dest()))).toMatch(/^SOURCE_(URL|PROTOCOL)/);
      expect(await codeOf(resolveRef(trick, 'main'))).toMatch(/^SOURCE_(URL|PROTOCOL)/);
    }
    const url = 'git://127.0.0.1:1/x';
    for (const trick of [`--upload-pack=touch ${mark}`, '-v', '--output=/tmp/x']) {
      expect(await codeOf(resolveRef(url, trick))).toBe('SOURCE_REF_INVALID');
      expect(await codeOf(checkout(url, trick, await dest()))).toBe('SOURCE_COMMIT_INVALID');
      expect(await codeOf(checkout(url, some, await dest(), { ref: trick }))).toBe('SOURCE_REF_INVALID');
    }
    await expect(readFile(mark)).rejects.toThrow();
  });
});

describe('a link that leaves the tree', () => {
  it('comes out of git as it is and is stopped by the store', async () => {
    const dir = await repo();
    await symlink('../../../etc/passwd', join(dir, 'loot'));
    const commit = commitAll(dir);
    const url = await serve(dir);
    const out = await dest();
    await checkout(url, commit, out);
    expect(await readlink(join(out, 'loot'))).toBe('../../../etc/passwd');
    const store = await openStore({ dir: await folder() });
    const dirs = { dir: await folder(), into: store.sealed('s') };
    const source = { url, commit, ref: 'main', signal: AbortSignal.timeout(120_000), ...dirs };
    await expect(importSource(store, source)).rejects.toMatchObject({
      code: 'SOURCE_TREE_REFUSED',
      cause: { code: 'STORE_LINK_ESCAPES' },
    });
    await store.close();
  });
});

describe('a git folder with a link in it', () => {
  it('is stopped by the store', async () => {
    const dir = await repo();
    await writeFile(join(dir, 'f'), 'x');
    const commit = commitAll(dir);
    const store = await openStore({ dir: await folder() });
    const places = { dir: await folder(), into: store.sealed('s') };
    const source = { commit, ref: 'main', signal: AbortSignal.timeout(120_000), git: {}, ...places };
    // As what stands in for git leaves it, before the archive is made.
    const wrap = (command: string[]) => {
      const at = command.find((word) => /\/\.source-\w+$/.test(word) && !word.startsWith('-'));
      if (at === undefined || !command.join(' ').includes('exec tar')) return command;
      return ['sh', '-c', 'rm $0/shallow; ln -s ../../etc/passwd $0/shallow; exec "$@"', at, ...command];
    };
    const url = await serve(dir);
    await expect(importSource(store, { url, ...source, wrap })).rejects.toMatchObject({
      code: 'SOURCE_TREE_REFUSED',
      cause: { code: 'STORE_LINK_ESCAPES' },
    });
    expect((await importSource(store, { url, ...source })).git?.files.map(({ path }) => path)).toContain(
      'HEAD',
    );
    await store.close();
  });
});

describe('a repository that is too large', () => {
  it('is stopped while it is fetched', async () => {
    const dir = await repo();
    await writeFile(join(dir, 'big'), randomBytes(4_000_000));
    const commit = commitAll(dir);
    const url = await serve(dir);
    expect(await codeOf(checkout(url, commit, await dest(), { maxBytes: 1_000_000 }))).toBe(
      'SOURCE_TOO_LARGE',
    );
    const out = await dest();
    await checkout(url, commit, out, { maxBytes: 5_000_000 });
    expect((await lstat(join(out, 'big'))).size).toBe(4_000_000);
  });

  it('is stopped while it is read when a small pack holds a large tree', async () => {
    const dir = await repo();
    await writeFile(join(dir, 'zeros'), Buffer.alloc(6_000_000));
    const commit = commitAll(dir);
    const store = await openStore({ dir: await folder() });
    const dirs = { dir: await folder(), into: store.sealed('s') };
    const source = {
      url: await serve(dir),
      commit,
      ref: 'main',
      signal: AbortSignal.timeout(120_000),
      ...dirs,
    };
    expect(await codeOf(importSource(store, { ...source, maxBytes: 2_000_000 }))).toBe('SOURCE_TOO_LARGE');
    expect((await importSource(store, { ...source, maxBytes: 6_000_000 })).bytes).toBe(6_000_000);
    await store.close();
  });
});

describe('a hostile server', () => {
  const soon = () => {
    withLimits(limits, { gitIdleSecondsMax: 1 });
    return { seconds: 20 };
  };

  it('that is not there ends with a code', async () => {
    expect(await codeOf(checkout('git://127.0.0.1:1/x', some, await dest(), soon()))).toBe(
      'SOURCE_UNREACHABLE',
    );
    expect(await codeOf(resolveRef('http://127.0.0.1:1/x', 'main', soon()))).toBe('SOURCE_UNREACHABLE');
  });

  it('that never answers ends with a code, and leaves no process', async () => {
    let closed = 0;
    const port = await listen((socket) => {
      socket.resume();
      socket.on('close', () => {
        closed += 1;
      });
    });
    await Promise.all(
      ['git', 'http'].map(async (protocol) => {
        const url = `${protocol}://127.0.0.1:${port}/x`;
        expect(await codeOf(checkout(url, some, await dest(), soon()))).toMatch(
          /^SOURCE_(STALLED|UNREACHABLE|SERVER_ERROR)$/,
        );
      }),
    );
    await expect.poll(() => closed, { timeout: 120_000 }).toBe(2);
  });

  it('that sends garbage without end ends with a code', async () => {
    const noise = randomBytes(65_536);
    const port = await listen((socket) => {
      const more = (): void => {
        while (socket.writable && socket.write(noise));
      };
      socket.on('drain', more);
      more();
    });
    for (const protocol of ['git', 'http']) {
      const code = await codeOf(checkout(`${protocol}://127.0.0.1:${port}/x`, some, await dest(), soon()));
      expect(code).toMatch(/^SOURCE_(SERVER_ERROR|FAILED|UNREACHABLE|STALLED)$/);
    }
  });

  it('that lists references without end is cut off by time', async () => {
    let count = 0;
    const port = await listen((socket) => {
      const line = (): string => {
        count += 1;
        const text = `${some} refs/heads/x${count}${count === 1 ? '\0shallow' : ''}\n`;
        return (text.length + 4).toString(16).padStart(4, '0') + text;
      };
      const more = (): void => {
        while (socket.writable && socket.write(Array.from({ length: 200 }, line).join('')));
      };
      socket.on('drain', more);
      more();
    });
    const code = await codeOf(resolveRef(`git://127.0.0.1:${port}/x`, 'main', { seconds: 1.5 }));
    expect(code).toBe('SOURCE_TIMEOUT');
    expect(count).toBeGreaterThan(200);
  });

  it('that redirects to another host is not followed', async () => {
    const dir = await repo();
    await writeFile(join(dir, 'f'), 'x');
    commitAll(dir);
    let asked = 0;
    const other = createServer((_, response) => {
      asked += 1;
      response.end();
    }).listen(0, '127.0.0.1');
    const first = createServer((request, response) => {
      const address = other.address();
      const port = address !== null && typeof address === 'object' ? address.port : 0;
      response.writeHead(302, { location: `http://127.0.0.1:${port}${request.url}` }).end();
    }).listen(0, '127.0.0.1');
    onTestFinished(() => {
      first.close();
      other.close();
    });
    await Promise.all([once(first, 'listening'), once(other, 'listening')].slice(first.listening ? 1 : 0));
    const address = first.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    expect(await codeOf(resolveRef(`http://127.0.0.1:${port}/x`, 'main', soon()))).toMatch(/^SOURCE_/);
    expect(asked).toBe(0);
  });

  it('is left when the caller has had enough, though it says nothing', async () => {
    const reason = new Error('enough');
    const controller = new AbortController();
    const port = await listen((socket) => {
      socket.resume();
      controller.abort(reason);
    });
    const waiting = checkout(`git://127.0.0.1:${port}/x`, some, await dest(), { signal: controller.signal });
    await expect(waiting).rejects.toBe(reason);
  });

  it('cannot draw on a terminal with its words', async () => {
    const text = 'ERR \x1b[2J\x1b]0;owned\x07 sorry\n';
    const port = await listen((socket) => socket.end((text.length + 4).toString(16).padStart(4, '0') + text));
    const error = await resolveRef(`git://127.0.0.1:${port}/x`, 'main', soon()).catch(
      (caught: Error) => caught,
    );
    expect(String(error)).toContain('sorry');
    expect(String(error)).not.toMatch(/\p{Cc}/u);
  });
});
