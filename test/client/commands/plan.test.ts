import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { planCommit } from '../../../src/member/plan.ts';
import { prepare } from '../../../src/member/submit.ts';
import { folder, quorate, repository } from '../../cli/support.ts';
import { GitServer } from '../../e2e/support/git.ts';

const file = `
jobs:
  build: {run: [make]}
  test:
    run: ['make test CC=\${{ matrix.cc }}']
    needs: {build: agreed}
    matrix: {cc: [gcc, clang]}
    if: {changed: ['src/**']}
  docs: {run: [./docs.sh], if: {changed: ['docs/**', '*.md']}}
  release: {run: [x], if: {ref: ['refs/tags/v*']}}
`;
const signal = AbortSignal.timeout(240_000);
let repo: string;

const git = (...args: string[]) =>
  execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.org', ...args], {
    cwd: repo,
    encoding: 'utf8',
    timeout: 120_000,
  }).trim();

function commit(files: Record<string, string>): string {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(repo, path)), { recursive: true });
    writeFileSync(join(repo, path), text);
  }
  git('add', '--all');
  git('commit', '--quiet', '-m', 'x');
  return git('rev-parse', 'HEAD');
}

beforeAll(() => {
  repo = repository();
  git('checkout', '-q', '-b', 'main');
});

describe('quorate plan', () => {
  let first: string;
  let second: string;

  beforeAll(() => {
    first = commit({ 'quorate.yaml': file, 'src/a.c': 'a', 'src/old/b.c': 'b', 'x/y': '' });
    rmSync(join(repo, 'src/old'), { recursive: true });
    second = commit({ 'lib/new/deep/c.c': 'c', 'x/y': 'changed' });
    git('tag', 'v1');
  });

  it('prints the jobs of a commit that is here, and why others are skipped', async () => {
    const { code, out, err } = await quorate(['plan', '--base', first], { cwd: repo });
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toBe(
      [
        `commit ${second.slice(0, 12)} of refs/heads/main, changed since ${first.slice(0, 12)}`,
        '3 jobs, 2 skipped',
        '  build       agree 2 of 3 and co-signed',
        '  test.gcc    agree 2 of 3 and co-signed  after build (agreed)',
        '  test.clang  agree 2 of 3 and co-signed  after build (agreed)',
        `  skipped: docs: nothing changed since ${first.slice(0, 12)} in: docs/**, *.md`,
        '  skipped: release: refs/heads/main matches none of: refs/tags/v*',
        '',
      ].join('\n'),
    );
  });

  it('warns of what needs a job that is agreed at most', async () => {
    const dir = folder();
    const jobs = `
jobs:
  lint: {kind: test, run: [x]}
  check: {kind: test, run: [x]}
  reports: {kind: test, run: [x > $OUT/r]}
  signed: {kind: test, run: [x], trust: {cosign: required}}
  build: {run: [x], needs: {check: agreed, reports: trusted, signed: trusted}}
  ship: {run: [x], needs: [build, check]}
`;
    writeFileSync(join(dir, 'quorate.yaml'), jobs);
    execFileSync('git', ['init', '-q', dir]);
    const { code, out } = await quorate(['plan', '--working-tree', dir], { cwd: repo });
    expect(code, out).toBe(0);
    expect(out.split('\n').filter((line) => line.includes('at most'))).toEqual([
      '  check is agreed at most if it puts out nothing: build is no more; ship never begins. Have it write a report to $OUT, or give it trust: {cosign: required}',
      '  build is agreed at most then: ship never begins.',
    ]);
  });

  it('of the files as they are reads those, says so, and needs no commit', async () => {
    const dir = folder();
    execFileSync('git', ['init', '--quiet', '--initial-branch=main', dir], { timeout: 120_000 });
    writeFileSync(join(dir, 'quorate.yaml'), 'jobs: {only: {run: [make]}}');
    const before = await quorate(['plan', '--working-tree'], { cwd: dir });
    expect(before).toMatchObject({ code: 0, err: '' });
    expect(before.out).toMatch(/^the files as they are of refs\/heads\/main\n1 job\n {2}only /);
    const committed = await quorate(['plan'], { cwd: dir });
    expect(committed.err).toMatch(/SOURCE_NO_COMMIT/);
    const both = await quorate(['plan', '--working-tree', '--ref', 'v1'], { cwd: repo });
    expect(both).toMatchObject({
      code: 2,
      err: expect.stringContaining('--working-tree reads the files here'),
    });
    const json = await quorate(['plan', '--working-tree', '--json'], { cwd: dir });
    expect(JSON.parse(json.out)).toMatchObject({ commit: null, ref: 'refs/heads/main' });
  });

  it('says the same as JSON, of another ref too, and of changes that are not committed', async () => {
    writeFileSync(join(repo, 'quorate.yaml'), 'jobs: {}');
    const here = await quorate(['plan', '--json'], { cwd: repo });
    const tagged = await quorate(['plan', '--json', '--ref', 'v1'], { cwd: repo });
    git('checkout', '--quiet', 'quorate.yaml');
    expect(here.err).toMatch(
      /^Not committed: .*; they are not read\. To read them: quorate plan --working-tree\n$/,
    );
    expect(tagged.err).toBe('');
    const plan = JSON.parse(tagged.out);
    expect(plan).toMatchObject({ ref: 'refs/tags/v1', commit: second, base: null, skipped: [] });
    expect(plan.jobs.map(({ name }: { name: string }) => name)).toEqual([
      'build',
      'test.gcc',
      'test.clang',
      'docs',
      'release',
    ]);
    expect(plan.jobs[1]).toMatchObject({
      job: 'test',
      matrix: { cc: 'gcc' },
      run: ['make test CC=gcc'],
      image: 'host',
      needs: [{ name: 'build', level: 'agreed' }],
    });
    expect(JSON.parse(here.out)).toMatchObject({ ref: 'refs/heads/main', skipped: [{ job: 'release' }] });
  });

  it('reads from a server the same as here, where files came, went and changed', async () => {
    const server = await GitServer.start(folder('git-'));
    try {
      git('clone', '--quiet', '--bare', repo, join(server.dir, 'tool'));
      const url = server.url('tool');
      const of = (repository: { url: string } | { folder: string }, ref: string, base: string) =>
        planCommit({ repository, ref, base, signal });
      const far = await of({ url }, 'main', first);
      expect(far).toEqual(await of({ folder: repo }, 'main', first));
      expect(far.base).toBe(first);
      const skippedIn = async (glob: string) => {
        commit({ 'quorate.yaml': `jobs: {a: {run: [x], if: {changed: ['${glob}']}}}` });
        return (await of({ folder: repo }, 'HEAD', first)).plan.skipped.length === 1;
      };
      expect(await skippedIn('src/old/b.c')).toBe(false);
      expect(await skippedIn('lib/*/deep/*.c')).toBe(false);
      expect(await skippedIn('x/y')).toBe(false);
      expect(await skippedIn('src/a.c')).toBe(true);
      git('reset', '--quiet', '--hard', second);
      const chosen = async (jobName?: string, more = {}) => {
        const { jobs, skipped } = await prepare({ url, ref: 'main', jobName, signal, ...more });
        return [jobs.map(({ job }) => job.name), skipped.map(({ job }) => job)];
      };
      expect(await chosen()).toEqual([['build', 'test.gcc', 'test.clang', 'docs'], ['release']]);
      expect(await chosen('release')).toEqual([[], ['release']]);
      expect(await chosen('docs')).toEqual([['docs'], []]);
      expect(await chosen('docs', { base: first })).toEqual([[], ['docs']]);
      expect(await chosen('test.gcc')).toEqual([['build', 'test.gcc'], []]);
      expect(await chosen('test')).toEqual([['build', 'test.gcc', 'test.clang'], []]);
      await expect(chosen('tset')).rejects.toMatchObject({ code: 'JOBFILE_JOB_NOT_FOUND' });
    } finally {
      await server.stop();
    }
  });
});

it('quorate try of a job that needs another asks for its artifact', async () => {
  const { code, err } = await quorate(['try', '--job', 'test.gcc', '--commit'], { cwd: repo });
  expect(code).toBe(2);
  expect(err).toMatch(/TRY_INPUT_MISSING[\s\S]*hint: Give it one: --input build=<cid or folder>/);
});

it('an input under the name of no needed job is named beside the one that is missing', async () => {
  const { code, err } = await quorate(['try', '--job', 'test.gcc', '--commit', '--input', 'biuld=src'], {
    cwd: repo,
  });
  expect(code).toBe(2);
  expect(err).toContain('reads the artifact of build; given is biuld\n');
});

it('a word that is neither a folder nor a URL is refused as a folder', async () => {
  const { code, err } = await quorate(['plan', 'nowhere'], { cwd: repo });
  expect(code).toBe(2);
  expect(err).toContain(`error[CLI_USAGE]: ${join(repo, 'nowhere')} is not a folder\n`);
});

it('of a test it needs nothing is asked for, and an input that is neither artifact nor folder is refused', async () => {
  commit({
    'quorate.yaml':
      'jobs: {build: {run: [x]}, check: {kind: test, run: [x]}, pack: {needs: [build, check], run: [x]}}',
  });
  const tried = (...args: string[]) => quorate(['try', '--job', 'pack', ...args], { cwd: repo });
  const [bare, nowhere] = await Promise.all([tried(), tried('--input', 'build=nowhere')]);
  expect([bare.code, nowhere.code]).toEqual([2, 2]);
  expect(bare.err).toMatch(/reads the artifact of build\n.*--input build=<cid or folder>\n/);
  expect(nowhere.err).toMatch(/CLI_USAGE.*nowhere is not a folder/);
});
