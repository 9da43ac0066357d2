import { existsSync } from 'node:fs';
import { readdir, readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { codeIn } from '../../bad-input/support/person.ts';
import { GitServer, git } from '../../e2e/support/git.ts';
import { type JobOptions, jobFile } from '../../e2e/support/jobs.ts';
import { until } from '../../e2e/support/wait.ts';
import { processesWith, uniqueSleep } from '../../sandbox/support.ts';
import {
  arrive,
  attempt,
  attemptAsProcess,
  commit,
  event,
  listing,
  person,
  repository,
  write,
} from './trying.ts';

beforeAll(arrive);

/** Builds wait for sandboxes: some run at once. */
describe.concurrent('quorate try', () => {
  it('builds the files as they are: changed and new ones, not those ignored or gone', async () => {
    const dir = await repository(listing, {
      'a.txt': 'old',
      'gone.txt': 'gone',
      'src/kept': '',
      '.gitignore': 'no*\n',
    });
    await commit(dir);
    await rm(join(dir, 'gone.txt'));
    await write(dir, { 'a.txt': 'new', 'b.txt': 'untracked', 'note.txt': 'ignored' });
    const { code, out, err, report } = await attemptAsProcess(dir, '-o', person.at('got'));
    expect(code, report).toBe(0);
    expect(err).toBe(
      'Not committed: a.txt, gone.txt, b.txt. Volunteers build what is committed; to try that: quorate try --commit\n',
    );
    expect(out).toMatch(
      /^exit 0 after .*\nartifact bafybei\w+\n {2}list +\d+ B\n {2}text +12 B\nWritten to /m,
    );
    expect(await readFile(person.at('got', 'text'), 'utf8')).toBe('newuntracked');
    const list = (await readFile(person.at('got', 'list'), 'utf8')).trim().split('\n');
    expect(list).toEqual(['./.gitignore', './a.txt', './b.txt', './quorate.yaml', './src/kept']);
  });

  it('gives what a failed test put out, as reports, and the answer no', async () => {
    const dir = await repository(
      'jobs:\n  unit: {kind: test, run: [\'echo "case 2" > "$OUT/failed"; exit 3\'], limits: {memory: 256MiB, disk: 64MiB, time: 1m}}\n',
    );
    const tried = await attempt(dir, '-o', person.at('reports'), '--json');
    expect(tried.code, tried.report).toBe(1);
    expect(event(tried, 'built')).toMatchObject({ code: 3, artifact: null, reports: expect.any(String) });
    expect(await readFile(person.at('reports', 'failed'), 'utf8')).toBe('case 2\n');
  });

  it('builds a commit as workers get it, whatever the repository says of its files', async () => {
    const dir = await repository(listing, {
      '.gitattributes': '*.txt text eol=crlf export-subst\nhidden export-ignore\n',
      'a.txt': '$Format:%H$\n',
      hidden: 'x',
    });
    await commit(dir);
    await write(dir, { 'a.txt': 'changed', 'more.txt': 'more' });
    const answer = await attempt(dir, '--commit', '-o', person.at('raw'));
    expect(answer.code, answer.report).toBe(0);
    expect(await readFile(person.at('raw', 'text'), 'utf8')).toBe('$Format:%H$\n');
    expect(await readFile(person.at('raw', 'list'), 'utf8')).toContain('./hidden\n');
  });

  it('builds a tag of a server, with a git folder, by a job file of another server', async () => {
    const server = await GitServer.start(person.at('git'));
    const url = await server.commit('upstream', { 'a.txt': 'upstream' });
    const upstream = join(server.dir, 'upstream');
    await git(upstream, 'tag', 'v1');
    await git(upstream, 'commit', '--quiet', '--allow-empty', '--message=later');
    const job = `${jobFile({ run: ['git describe --tags > "$OUT/tag"'] })}    git: true\n`;
    const recipes = await server.commit('recipes', { 'of/upstream.yaml': job });
    const of = [url, '--ref', 'v1', '--file'];
    const there = await attempt(
      person.at(),
      ...of,
      `${recipes}:of/upstream.yaml`,
      '-o',
      person.at('tag'),
      '--json',
    );
    expect(there.code, there.report).toBe(0);
    const commit = await git(upstream, 'rev-parse', 'v1');
    expect(event(there, 'source')).toMatchObject({ root: url, commit, dirty: false });
    expect(await readFile(person.at('tag', 'tag'), 'utf8')).toBe('v1\n');
    const wrong = await attempt(person.at(), ...of, `${recipes}:upstream.yaml`);
    expect(codeIn(wrong.err), wrong.report).toBe('JOBFILE_NOT_FOUND');
  });

  it('tells the build its commit: HEAD where the files are none, zeros before the first one', async () => {
    const step = 'env | grep -E "^(CI|QUORATE_|SOURCE_DATE_EPOCH)" | sort > "$OUT/env"';
    const dir = await repository({ run: [step] });
    const environment = async (folder: string, ...args: string[]) => {
      const answer = await attempt(dir, '-o', person.at(folder), '--json', ...args);
      expect(answer.code, answer.report).toBe(0);
      const text = await readFile(person.at(folder, 'env'), 'utf8');
      return { told: text.trim().split('\n'), tree: event(answer, 'source')?.tree };
    };
    const none = await environment('none');
    expect(none.told).toEqual([
      ...['CI=true', `QUORATE_COMMIT=${'0'.repeat(40)}`, 'QUORATE_COMMIT_TIME=0'],
      ...[`QUORATE_TREE=${none.tree}`, 'SOURCE_DATE_EPOCH=315532800'],
    ]);
    await commit(dir);
    const [id, seconds] = (await git(dir, 'log', '-1', '--format=%H %ct')).split(' ');
    const ofCommit = await environment('commit', '--commit');
    expect(ofCommit.tree).toBe(none.tree);
    expect(ofCommit.told).toEqual([
      ...['CI=true', `QUORATE_COMMIT=${id}`, `QUORATE_COMMIT_TIME=${seconds}`],
      ...[`QUORATE_TREE=${ofCommit.tree}`, `SOURCE_DATE_EPOCH=${seconds}`],
    ]);
    await write(dir, { new: 'x' });
    const changed = await environment('changed');
    expect(changed.tree).not.toBe(ofCommit.tree);
    expect(changed.told).toEqual(
      ofCommit.told.map((line) => (line.startsWith('QUORATE_TREE=') ? `QUORATE_TREE=${changed.tree}` : line)),
    );
  });

  it('follows no link, and refuses one that leads out', async () => {
    const dir = await repository(listing, { 'a.txt': 'x', 'sub/b': 'inside' });
    await commit(dir);
    await write(person.dir, { 'outside/b': 'secret' });
    await rm(join(dir, 'sub'), { recursive: true });
    await symlink('../outside', join(dir, 'sub'));
    const out = await attempt(dir);
    expect({ code: out.code, error: codeIn(out.err) }).toEqual({ code: 2, error: 'SOURCE_TREE_REFUSED' });
    // Ignored, the link is no part of the tree, nor is what lies behind it though git still tracks its path.
    await write(dir, { '.gitignore': 'sub\n' });
    const without = await attempt(dir, '-o', person.at('links'));
    expect(without.code, without.report).toBe(0);
    expect(await readFile(person.at('links', 'list'), 'utf8')).toBe(
      './.gitignore\n./a.txt\n./quorate.yaml\n',
    );
  });

  it('runs as on a worker: no network, the pinned surroundings, the limits of the job', async () => {
    const run = [
      'hostname; id -un; echo $HOME $TZ $LANG; umask; pwd; ls /sys/class/net 2>/dev/null || echo none',
      'head -c 100000000 /dev/zero > "$OUT/large"',
    ];
    const { code, out, report } = await attempt(await repository({ run }));
    expect(code, report).toBe(1);
    expect(out).toContain('quorate\nbuild\n/build/home UTC C.UTF-8\n0022\n/build/src\nnone\n');
    expect(out).toMatch(/No space left on device\n/);
    expect(out).toMatch(/^exit 1 after .*: the build failed$/m);
  });

  it('shows what a build writes as it comes, and obeys none of it', async () => {
    const nap = uniqueSleep();
    const dir = await repository({
      run: [`printf '\\033[2Jsee \\303'; printf '\\251\\n'; sleep ${nap}`],
      time: '20s',
    });
    const proc = person.start(['try'], { cwd: dir });
    await until('the line', () => proc.text.includes('\\x1b[2Jsee é\n'));
    expect(await processesWith(nap)).not.toEqual([]);
    proc.signal('SIGINT');
    await proc.end(240_000);
  });

  it.each<[what: string, job: Partial<JobOptions>, says: RegExp]>([
    [
      'leaves what no artifact can hold',
      { run: ['mkfifo "$OUT/pipe"'] },
      /^stopped after .*: outputs: STORE_ENTRY_REFUSED: .*pipe/m,
    ],
    ['does not make its outputs', { run: ['true'], outputs: ['bin'] }, /the build failed$/m],
  ])('says no of a build that %s', async (_, job, says) => {
    const dir = await repository({ run: [], ...job });
    const answer = await attempt(dir, '-o', person.at('never'));
    expect(answer.code, answer.report).toBe(1);
    expect(answer.out).toMatch(says);
    expect(existsSync(person.at('never'))).toBe(false);
  });

  it.each<[what: string, file: string, args: string[], code: number, error: string]>([
    ['more memory than is here', jobFile({ run: ['true'], memory: '8TiB' }), [], 3, 'TRY_HOST_TOO_SMALL'],
    [
      'an image that is not here',
      jobFile({ run: ['true'] }).replace(
        'image: host',
        'image: bafybeihlrz7j4sotzw4jmhsyio2yothja6egyyc42c6b25g5o7aa63256i',
      ),
      [],
      2,
      'IMAGE_UNKNOWN',
    ],
    ['a job that is not there', jobFile({ run: ['true'] }), ['--job', 'x'], 2, 'JOBFILE_JOB_NOT_FOUND'],
    ['a job file with a mistake', 'jobs: {build: {rum: [x]}}', [], 2, 'JOBFILE_INVALID'],
    ['a commit before the first one', jobFile({ run: ['true'] }), ['--commit'], 2, 'SOURCE_NO_COMMIT'],
    ['a ref that is none', jobFile({ run: ['true'] }), ['--ref', '-x'], 2, 'SOURCE_REF_INVALID'],
    ['a folder that has files', jobFile({ run: ['true'] }), ['-o', '.'], 2, 'CLI_FOLDER_NOT_EMPTY'],
    ['a folder that is not there', jobFile({ run: ['true'] }), ['absent'], 2, 'CLI_USAGE'],
  ])('refuses %s', async (_, file, args, code, error) => {
    const answer = await attempt(await repository(file), ...args);
    expect({ code: answer.code, error: codeIn(answer.err) }, answer.report).toEqual({ code, error });
    expect(answer.out).toBe('');
  });

  it('refuses a branch there is none of, a repository without a job file, and a folder without a repository', async () => {
    const dir = await repository({ run: ['true'] });
    await commit(dir);
    await rm(join(dir, 'quorate.yaml'));
    expect(codeIn((await attempt(dir, '--ref', 'nix')).err)).toBe('SOURCE_REF_NOT_FOUND');
    const none = await attempt(dir);
    expect({ code: none.code, error: codeIn(none.err) }).toEqual({ code: 2, error: 'JOBFILE_NOT_FOUND' });
    expect((await attempt(dir, '--commit')).code).toBe(0);
    expect(codeIn((await attempt(person.dir)).err)).toBe('SOURCE_NO_REPOSITORY');
  });

  it('knows no key of the job file that would change the surroundings', async () => {
    const file = jobFile({ run: ['true'] }).replace('image: host', 'variation: {umask: "077"}');
    expect(codeIn((await attempt(await repository(file))).err)).toBe('JOBFILE_INVALID');
  });

  it.sequential('on Ctrl-C ends and leaves no process, control group or file', async () => {
    const nap = uniqueSleep();
    const proc = person.start(['try'], { cwd: await repository({ run: [`echo begun; sleep ${nap}`] }) });
    await until('the build', async () => (await processesWith(nap)).length > 0);
    expect(await groupsOf(proc.pid)).not.toEqual([]);
    proc.signal('SIGINT');
    expect(await proc.end(240_000)).toEqual({ code: 130, signal: null });
    expect(proc.stderr).toContain('error[CLI_INTERRUPTED]');
    expect(await processesWith(nap)).toEqual([]);
    expect(await groupsOf(proc.pid)).toEqual([]);
    expect(await readdir(person.at('home', 'sandbox'))).toEqual([]);
  });

  it.sequential('leaves nothing in the folder for temporary files', async () => {
    expect(await person.litter()).toEqual([]);
  });
});

/** Control groups that jobs of this process have. */
async function groupsOf(pid: number): Promise<string[]> {
  const found: string[] = [];
  const look = async (dir: string, depth: number): Promise<void> => {
    for (const entry of await readdir(dir, { withFileTypes: true }).catch(() => [])) {
      if (!entry.isDirectory()) continue;
      if (entry.name.startsWith(`quorate-job-${pid}-`)) found.push(join(dir, entry.name));
      else if (depth > 0) await look(join(dir, entry.name), depth - 1);
    }
  };
  await look('/sys/fs/cgroup', 4);
  return found;
}
