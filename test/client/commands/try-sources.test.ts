import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepare } from '../../../src/member/submit.ts';
import { codeIn } from '../../bad-input/support/person.ts';
import { GitServer, git } from '../../e2e/support/git.ts';
import { jobFile } from '../../e2e/support/jobs.ts';
import { arrive, attempt, commit, event, listing, person, repository, write } from './trying.ts';

beforeAll(arrive);

/** Builds wait for sandboxes: some run at once. */
describe.concurrent('quorate try', () => {
  it('builds a commit as workers get it, whatever the repository says of its files', async () => {
    const server = await GitServer.start(person.at('git'));
    const files = {
      '.gitattributes': '*.txt text eol=crlf export-subst\nhidden export-ignore\n',
      'a.txt': '$Format:%H$\n',
      hidden: 'x',
      'quorate.yaml': jobFile(listing),
    };
    const url = await server.commit('attributes', files);
    const dir = join(server.dir, 'attributes');
    const signal = AbortSignal.timeout(120_000);
    const { tree, commit } = await prepare({ url, ref: 'main', signal });
    await write(dir, { 'a.txt': 'changed', 'more.txt': 'more' });
    for (const args of [['--commit'], ['--ref', commit.slice(0, 10)]]) {
      const answer = await attempt(dir, ...args, '--json');
      expect(answer.code, answer.report).toBe(0);
      expect(event(answer, 'source')).toMatchObject({ tree, commit, dirty: false });
    }
    expect((await attempt(dir, '--commit', '-o', person.at('raw'))).code).toBe(0);
    expect(await readFile(person.at('raw', 'text'), 'utf8')).toBe('$Format:%H$\n');
    expect(await readFile(person.at('raw', 'list'), 'utf8')).toContain('./hidden\n');
    const here = await attempt(dir, '--json');
    expect(event(here, 'source')).toMatchObject({ commit, dirty: true });
    expect(event(here, 'source')?.tree).not.toBe(tree);
  });

  it('builds what has no job file by one of elsewhere: a folder, and a tag of a server', async () => {
    const server = await GitServer.start(person.at('elsewhere'));
    const url = await server.commit('upstream', { 'a.txt': 'upstream' });
    const upstream = join(server.dir, 'upstream');
    await git(upstream, 'tag', 'v1');
    await git(upstream, 'commit', '--quiet', '--allow-empty', '--message=later');
    const job = `${jobFile({ run: ['test -e .git/HEAD', 'cp a.txt "$OUT"'] })}    git: true\n`;
    const recipes = await server.commit('recipes', { 'of/upstream.yaml': job });
    const file = join(server.dir, 'recipes', 'of', 'upstream.yaml');
    const none = await attempt(upstream);
    expect(codeIn(none.err), none.report).toBe('JOBFILE_NOT_FOUND');

    const here = await attempt(upstream, '--file', file, '--json');
    expect(here.code, here.report).toBe(0);
    expect(event(here, 'source')).toMatchObject({ file, dirty: false });
    const from = person.at();
    const commit = await git(upstream, 'rev-parse', 'v1');
    for (const named of [file, `${recipes}:of/upstream.yaml`]) {
      const there = await attempt(from, url, '--ref', 'v1', '--file', named, '--json');
      expect(there.code, there.report).toBe(0);
      expect(event(there, 'source')).toMatchObject({ root: url, commit, dirty: false });
      expect(event(there, 'built')?.artifact).toBe(event(here, 'built')?.artifact);
    }
    const wrong = await attempt(from, url, '--file', `${recipes}:upstream.yaml`);
    expect(codeIn(wrong.err), wrong.report).toBe('JOBFILE_NOT_FOUND');
    const absent = await attempt(from, url, '--file', 'absent.yaml');
    expect(codeIn(absent.err), absent.report).toBe('CLI_USAGE');
  });

  it('finds the same artifact of files and of the commit of them, from a folder below too', async () => {
    const dir = await repository(listing, { 'a.txt': 'x', 'bin/run': '#!/bin/sh\n' });
    await chmod(join(dir, 'bin/run'), 0o755);
    const before = await attempt(join(dir, 'bin'), '--json');
    expect(before.err).toContain('Nothing is committed here yet');
    await commit(dir);
    const after = await attempt(dir, '--commit', '--json');
    expect(event(before, 'source')?.tree).toBe(event(after, 'source')?.tree);
    const built = event(after, 'built');
    expect(built).toMatchObject({ code: 0, artifact: expect.stringMatching(/^bafybei/) });
    expect(built?.files).toEqual([
      { path: 'list', size: expect.any(Number), sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
      { path: 'text', size: 1, sha256: expect.any(String) },
    ]);
    expect(event(before, 'built')?.artifact).toBe(built?.artifact);
  });

  it('has a git folder where the job asks for one: of HEAD, or of the tag that is named', async () => {
    const steps = ['git describe --always --dirty > "$OUT/describe"', 'git log --format=%H > "$OUT/log"'];
    const dir = await repository(jobFile({ run: steps }).replace('    run:', '    git: true\n    run:'));
    expect(codeIn((await attempt(dir)).err)).toBe('SOURCE_NO_COMMIT');
    await commit(dir);
    await write(dir, { more: 'x' });
    await commit(dir);
    await git(dir, 'tag', '-a', '-m', 'x', 'v1.0');
    const told = async (folder: string, ...args: string[]) => {
      const answer = await attempt(dir, '-o', person.at(folder), ...args);
      expect(answer.code, answer.report).toBe(0);
      const read = async (name: string) => (await readFile(person.at(folder, name), 'utf8')).trim();
      return [await read('describe'), await read('log')];
    };
    const head = await git(dir, 'rev-parse', 'HEAD');
    expect(await told('git-tag', '--ref', 'v1.0')).toEqual(['v1.0', head]);
    await write(dir, { more: 'changed' });
    expect(await told('git-files')).toEqual([expect.stringMatching(/^[0-9a-f]{7,}-dirty$/), head]);
  });

  it('takes other repositories in it as empty folders, as a commit would', async () => {
    const dir = await repository({ run: ['find . -mindepth 1 | sort > "$OUT/list"'] });
    await write(dir, { 'other/file': 'x' });
    await git(join(dir, 'other'), 'init', '-q', '-b', 'main');
    await commit(join(dir, 'other'));
    const { code, report } = await attempt(dir, '-o', person.at('nested'));
    expect(code, report).toBe(0);
    expect(await readFile(person.at('nested', 'list'), 'utf8')).toBe('./other\n./quorate.yaml\n');
  });
});
